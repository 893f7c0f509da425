"""A request whose body was checked, and is replaced by what was read of it."""

import json
from typing import Any

from starlette.types import Message, Receive, Scope


def with_body(scope: Scope, receive: Receive, content: dict[str, Any]) -> tuple[Scope, Receive]:
    """The request with `content` as its body: the server reads what was checked, and not a body that it may
    parse differently.
    """
    body = json.dumps(content).encode()
    headers = [header for header in scope["headers"] if header[0] != b"content-length"]
    sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body() -> Message:
        return sent.pop() if sent else await receive()

    return {**scope, "headers": [*headers, (b"content-length", b"%d" % len(body))]}, receive_body
