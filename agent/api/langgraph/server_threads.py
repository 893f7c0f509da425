"""The threads of LangGraph Server, through its own API and as the caller: the server decides who owns one."""

import asyncio
import json
from collections.abc import Mapping, Set
from typing import Any, ClassVar
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RequestError
from identity.errors import UnavailableError


class ServerThreads:
    """Requests to `app`, `langgraph dev` or LangGraph Server, inside of the route guard."""

    commands: ClassVar[Set[str]] = frozenset(
        {"agent.getTree", "subscription.subscribe", "subscription.unsubscribe", "subscription.reconnect"}
    )
    """Commands of the event-streaming protocol that create no run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def find(self, scope: Scope, thread_id: str) -> str | None:
        """The id of a thread of the caller of `scope`, as the server writes it.

        `None` for a thread of another user, one that does not exist, and an id that no thread can have.
        Raises `UnavailableError`, as the other methods do, if the server fails.
        """
        search = {"ids": [thread_id], "limit": 1, "select": ["thread_id"]}
        status, found = await self._request(scope, "POST", "/threads/search", search)
        return found[0]["thread_id"] if status == 200 and isinstance(found, list) and found else None

    async def create(self, scope: Scope, thread: Mapping[str, Any]) -> tuple[int, Any]:
        """Creates a thread for the caller of `scope`: the status of the response, and its JSON. The status is
        409 if the id is used, by any user.
        """
        return await self._request(scope, "POST", "/threads", thread)

    async def state(
        self, scope: Scope, thread_id: str, checkpoint_id: str | None = None
    ) -> Mapping[str, Any]:
        """`values` and `tasks` of a thread of the caller, now or at a checkpoint.

        Raises `RequestError` if there is no such checkpoint.
        """
        path = f"/threads/{quote(thread_id, safe='')}/state"
        if checkpoint_id is not None:
            path += f"/{checkpoint_id}"
        status, state = await self._request(scope, "GET", path)
        if status == 404:
            raise RequestError("checkpoint_id", "there is no such checkpoint", code="not_found", status=404)
        if status != 200 or not isinstance(state, dict):
            raise _failed(path, status)
        return state

    async def _request(
        self, scope: Scope, method: str, path: str, content: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        """The status of the response, and its JSON. Raises `UnavailableError` if the server fails."""
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

        try:
            await self._app(request, receive, send)
        except Exception:  # noqa: BLE001 - the server has logged it
            status = 500
        if status >= 500:
            raise _failed(path, status)
        try:
            return status, json.loads(received)
        except ValueError:
            return status, None


def _failed(path: str, status: int) -> UnavailableError:
    return UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, f"{path}: the server failed ({status})")
