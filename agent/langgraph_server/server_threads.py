"""The threads of LangGraph Server, through its own API and as the caller: the server decides who owns one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Scope


class ServerThreads:
    """Requests to `app`, `langgraph dev` or LangGraph Server, inside of the route guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def find(self, scope: Scope, thread_id: str) -> Mapping[str, Any] | None:
        """`thread_id`, `status` and `interrupts` of a thread of the caller of `scope`.

        `None` for a thread of another user, one that does not exist, and an id that no thread can have.
        """
        search = {"ids": [thread_id], "limit": 1, "select": ["thread_id", "status", "interrupts"]}
        status, found = await self._request(scope, "POST", "/threads/search", search)
        return found[0] if status == 200 and isinstance(found, list) and found else None

    async def create(self, scope: Scope, thread_id: str) -> bool:
        """Creates a thread for the caller of `scope`. False if the id is used, by any user, or invalid."""
        wanted = {"thread_id": thread_id, "if_exists": "raise"}
        status, _ = await self._request(scope, "POST", "/threads", wanted)
        return status == 200

    async def _request(
        self, scope: Scope, method: str, path: str, content: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        """The status of the response, and its JSON."""
        body = b"" if content is None else json.dumps(content).encode()
        host = [header for header in scope["headers"] if header[0] == b"host"]
        headers = [*host, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        request = {
            **scope,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "state": dict(scope.get("state", {})),
        }
        sent = [{"type": "http.request", "body": body, "more_body": False}]
        status, received = 500, bytearray()

        async def receive() -> Message:
            if not sent:
                await asyncio.Event().wait()  # the client stays until it has the response
            return sent.pop()

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            received.extend(message.get("body", b""))

        await self._app(request, receive, send)
        try:
            return status, json.loads(received)
        except ValueError:
            return status, None
