"""Aegra for its own end-to-end tests, which begin by making an assistant, `{"graph_id": "agent"}`.

The guards let no client make one. Here such a request is one for the assistant that Aegra has made for this
graph itself. For each request without a token the token is that of the file `REFEREE_TOKEN_FILE`.
"""

import json
from typing import Any, Final
from uuid import uuid5

from aegra_api.constants import ASSISTANT_NAMESPACE_UUID

from plugins.aegra.tests.apart.referee_application import app as signed_in

_OF_BODY: Final = (b"content-length", b"content-type")
"""Headers of a body."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Passes each request on."""
    if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/assistants"):
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        path = f"/assistants/{uuid5(ASSISTANT_NAMESPACE_UUID, json.loads(body)['graph_id'])}"
        kept = [header for header in scope["headers"] if header[0] not in _OF_BODY]
        scope = scope | {"method": "GET", "path": path, "raw_path": path.encode(), "headers": kept}
        await signed_in(scope, _no_body(), send)
        return
    await signed_in(scope, receive, send)


def _no_body() -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive
