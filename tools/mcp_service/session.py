"""One session with an MCP server, under one credential."""

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import McpError

from identity.observation.attribute import Attribute
from identity.observation.span import CURRENT_SPAN
from identity.secrets.secret import Secret
from tools.mcp_service.client_session import RequestSession
from tools.mcp_service.errors import MCPCallError, MCPRequestError
from tools.mcp_service.tool import MCPTool, result_text, usable_tools
from tools.mcp_service.transport import MCPTransport
from tools.service import ToolResult

_CLOSED = "the session was closed"


class MCPSession:
    """Calls may come from any task; each is a request of its own and does not affect the others.

    A list of tools is current for `tools_seconds`. Of each list, `usable` chooses; without it, all are used.
    """

    def __init__(
        self,
        transport: MCPTransport,
        secret: Secret,
        *,
        tools_seconds: float,
        usable: Callable[[Mapping[str, MCPTool]], Awaitable[Mapping[str, MCPTool]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.secret = secret
        self._transport = transport
        self._client = RequestSession(transport)
        self._tools_seconds = tools_seconds
        self._usable = usable
        self._clock = clock
        self._opened = self._retired = self._closed = False
        self._in_use = 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._ending: asyncio.Task[None] | None = None
        self._tools: Mapping[str, MCPTool] = {}
        self._listed_at: float | None = None
        self._listing = asyncio.Lock()

    async def open(self) -> None:
        """Initializes the session. Raises `MCPRequestError`, after the session is ended at the server."""
        try:
            async with self._until_closed():
                await self._client.initialize()
        except BaseException as error:
            await self._transport.end_session()
            if isinstance(error, McpError | RuntimeError | ValueError):
                raise _request_error(error) from None
            raise
        self._opened = True

    @property
    def is_open(self) -> bool:
        """False once it is retired or closed."""
        return self._opened and not self._retired

    @property
    def tools_are_current(self) -> bool:
        """Whether `tools` needs no request."""
        return self._listed_at is not None and self._clock() - self._listed_at < self._tools_seconds

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps a retired session open until the block ends."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            if self._retired and not self._in_use:
                self._end()

    def retire(self) -> None:
        """Allows no new use; the session ends when its calls have ended."""
        self._retired = True
        if not self._in_use:
            self._end()

    async def close(self) -> None:
        """Ends the session now. Calls in flight raise `MCPRequestError`."""
        self._retired = self._closed = True
        for deadline in self._deadlines:
            deadline.reschedule(0)
        await self._end()

    async def tools(self) -> Mapping[str, MCPTool]:
        """The usable tools by the server's names, cached while they are current. Raises `MCPRequestError`.

        If a later listing fails, the cached list is used for another `tools_seconds`, unless the credential
        is refused.
        """
        async with self._listing:
            if not self.tools_are_current:
                try:
                    async with self._until_closed():
                        listed = await load_mcp_tools(self._client)
                        tools = await usable_tools(listed, self.secret)
                        self._tools = tools if self._usable is None else await self._usable(tools)
                except (MCPRequestError, McpError, RuntimeError, ValueError) as error:
                    failure = _request_error(error)
                    if self._listed_at is None or self._closed or failure.is_credential_refused:
                        raise failure from None
                self._listed_at = self._clock()
            return self._tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """One `tools/call`, one request. An error that the server reports by the protocol is a result.

        Raises `MCPRequestError`; it is an `MCPCallError` if it concerns this call only, as every HTTP status
        does while the server knows the session.
        """
        span = CURRENT_SPAN.get()  # the call's own: the convention wants no second one
        span.set(Attribute.MCP_METHOD, "tools/call")
        span.set(Attribute.MCP_VERSION, self._transport.protocol_version)
        try:
            async with self._until_closed():
                result = await self._client.call_tool(tool, dict(arguments))
        except MCPRequestError as error:
            if error.status is None or await self._is_forgotten(error.status):
                raise
            raise MCPCallError(status=error.status) from None
        except McpError as error:
            return ToolResult(f"error {error.error.code}: {error.error.message}", ok=False)
        except (RuntimeError, ValueError) as error:  # not a valid result
            raise _request_error(error) from None
        return ToolResult(result_text(result), ok=not result.isError)

    async def _is_forgotten(self, status: int) -> bool:
        """Whether the server no longer knows the session, checked by a ping.

        Servers send 404, and some 400, for an unknown session, but also for a call that they reject, and any
        user can make such calls.
        """
        if status not in (400, 404) or not self._transport.has_session_id:
            return False
        try:
            async with self._until_closed():
                await self._client.send_ping()
        except MCPRequestError as error:
            return error.status in (400, 404)
        except (McpError, RuntimeError, ValueError):
            return False
        return False

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        """Ends the block with `MCPRequestError` when the session is closed, or if it is."""
        if self._closed:
            raise MCPRequestError(_CLOSED)
        deadline = asyncio.timeout(None)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                yield
        except TimeoutError:
            if deadline.expired():
                raise MCPRequestError(_CLOSED) from None
            raise
        finally:
            self._deadlines.discard(deadline)

    def _end(self) -> "asyncio.Task[None]":
        if self._ending is None:
            self._ending = asyncio.create_task(self._transport.end_session(), context=contextvars.Context())
        return self._ending


def _request_error(error: Exception) -> MCPRequestError:
    """`error` without the server's text."""
    if isinstance(error, MCPRequestError):
        return error
    if isinstance(error, McpError):
        return MCPRequestError(f"protocol error {error.error.code}")
    return MCPRequestError("the response does not follow the MCP protocol")
