"""The threads of LangGraph Server, through its own API and as the caller: the server decides who owns one."""

import json
from collections.abc import Mapping, Set
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

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
        body = None if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        request = httpx.Request(method, "http://server", headers=headers, content=body)
        own = {"method": method, "path": path, "raw_path": path.encode(), "query_string": b""}

        async def server(asked: Scope, receive: Receive, send: Send) -> None:
            of_request = {**own, "headers": asked["headers"], "state": dict(scope.get("state", {}))}
            await self._app({**scope, **of_request}, receive, send)

        try:
            response = await httpx.ASGITransport(server).handle_async_request(request)
            received = await response.aread()
        except Exception:  # noqa: BLE001 - the server has logged it
            raise _failed(path, 500) from None
        if response.status_code >= 500:
            raise _failed(path, response.status_code)
        try:
            return response.status_code, json.loads(received)
        except ValueError:
            return response.status_code, None


def _failed(path: str, status: int) -> UnavailableError:
    return UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, f"{path}: the server failed ({status})")
