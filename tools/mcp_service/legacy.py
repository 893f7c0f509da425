"""MCP of 2025-11-25 and older: a session that is initialized, and requests within it.

`mcp` and `langchain_mcp_adapters` are used here only, and this module is imported when a server is known to
need it. The official client's transport ends the whole session, with all calls in flight, on one 401 or 500.
It waits without a limit for a response whose stream was cut off, and it opens a listening stream. Here each
request is one POST with exactly one outcome (`docs/decisions/0007-independent-mcp-requests.md`). If the
caller stops waiting, the connection is closed and the server is notified, because in this version a closed
connection does not cancel a request. Requests of the server are refused at once, except a ping.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import httpx
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS
from mcp.types import LATEST_PROTOCOL_VERSION, METHOD_NOT_FOUND, Tool

from tools import VERSION
from tools.mcp_service.session import Call, Listing, Pages, Session
from tools.mcp_service.tool import result_of
from tools.mcp_service.wire import (
    CUT_OFF,
    MALFORMED,
    UNDELIVERED,
    MCPRequestError,
    is_list_changed,
    refusal,
    response_to,
)
from tools.service import ToolResult

_MAX_ANSWERS: Final = 10
"""How many requests of the server receive a response during one request."""
_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")
"""Visible ASCII, as the protocol requires, because it is sent in a header."""


class LegacySession(Session):
    """One session. The caller bounds the time of each request."""

    _session_id: str | None = None

    async def open(self) -> bool:
        """Initializes the session. If it fails, the session is ended at the server."""
        try:
            await self._initialize()
        except BaseException:
            await self.end()
            raise
        return True

    async def _listed(self, pages: Pages) -> Listing:
        return await self._chosen(pages, self._server.seconds, members=self._members)

    def _members(self, tool: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
        """The members of a tool that are used. Validating the others takes a second a megabyte."""
        used = Tool.model_validate({name: tool.get(name) for name in ("name", "description", "inputSchema")})
        converted = convert_mcp_tool_to_langchain_tool(self, used)  # type: ignore[arg-type]  # it is not called
        return {
            "name": converted.name,
            "description": converted.description,
            "inputSchema": converted.args_schema,
            "outputSchema": tool.get("outputSchema"),
        }

    async def _called(self, call: Call) -> ToolResult:
        """See `Session`. Progress is not reported."""
        params = {"name": call.tool, "arguments": dict(call.arguments)}
        return result_of(await self._send("tools/call", params), call.presented, call.returns)

    async def _is_forgotten(self, status: int) -> bool:
        """See `Session`. Checked by a ping.

        Servers send 404, and some 400, for an unknown session, but also for a call that they reject, and any
        user can make such calls.
        """
        if status not in (400, 404) or self._session_id is None:
            return False
        try:
            await self._send("ping", {})
        except MCPRequestError as error:
            return error.status in (400, 404)
        return False

    async def _send(self, method: str, params: dict[str, Any]) -> Mapping[str, Any]:
        """See `Session`. If the caller stops waiting, the server is notified: not of `initialize`, by MCP."""
        message = self._server.wire.message(method, params, {})
        try:
            async with self._server.wire.request(self.secret, self._headers(), message) as response:
                return await self._response_to(message["id"], response)
        except asyncio.CancelledError:
            if method != "initialize":
                about = {"requestId": message["id"], "reason": "the caller no longer waits for the response"}
                self._send_beside(self._notify, {"method": "notifications/cancelled", "params": about})
            raise

    async def _initialize(self) -> None:
        about = {"clientInfo": {"name": "idaas-agent", "version": VERSION}, "capabilities": {}}
        result = await self._result("initialize", {"protocolVersion": LATEST_PROTOCOL_VERSION, **about})
        if (version := result.get("protocolVersion")) not in SUPPORTED_PROTOCOL_VERSIONS:
            raise MCPRequestError(MALFORMED)
        self.version = version
        self._server.public = None  # a list of the newer version
        await self._notify({"method": "notifications/initialized"})

    async def _notify(self, message: Mapping[str, Any]) -> None:
        """Sends a message that has no response. Not checked: whether it arrived."""
        with suppress(*UNDELIVERED):
            async with self._server.wire.request(self.secret, self._headers(), message):
                return

    async def _leave(self) -> None:
        await super()._leave()
        if self._session_id is not None:
            async with self._server.wire.request(self.secret, self._headers()):
                return  # the body is not read: it may be endless

    async def _response_to(self, number: int, response: httpx.Response) -> Mapping[str, Any]:
        if not response.is_success:
            raise refusal(response, self.secret, may_renew=True)
        if self.version is None and (session_id := response.headers.get("mcp-session-id")):
            if not _SESSION_ID.fullmatch(session_id):
                raise MCPRequestError("the session id is not visible ASCII of at most 1024 characters")
            self._session_id = session_id
        answered = 0
        async for message in self._server.wire.messages(response):
            if reply := response_to(number, message):
                return reply
            if is_list_changed(message):
                self._changed()
            if answered < _MAX_ANSWERS and (answer := _answer(message)) is not None:
                answered += 1
                await self._notify(answer)
        raise MCPRequestError(CUT_OFF)

    def _headers(self) -> dict[str, str]:
        headers = {"Mcp-Session-Id": self._session_id, "MCP-Protocol-Version": self.version}
        return {name: value for name, value in headers.items() if value}


def _answer(message: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON value
    """The response to `message`, if it is a request of the server: a ping, or a question, which is refused.

    Without it, the server would wait for an answer until the call times out.
    """
    match message:
        case {"method": "ping", "id": int() | str() as number} if not isinstance(number, bool):
            return {"id": number, "result": {}}
        case {"method": _, "id": int() | str() as number} if not isinstance(number, bool):
            error = {"code": METHOD_NOT_FOUND, "message": "the client offers no method"}
            return {"id": number, "error": error}
    return None
