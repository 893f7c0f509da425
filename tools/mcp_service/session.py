"""One session with an MCP server, under one credential."""

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import anyio
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError
from mcp.shared.message import MessageMetadata, SessionMessage
from mcp.shared.session import ProgressFnT
from mcp.types import (
    CallToolResult,
    ClientNotification,
    ClientRequest,
    Implementation,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    ListToolsResult,
    RequestId,
)
from pydantic import BaseModel

from identity.secret import Secret
from tools.mcp_service.tool import MCPTool, listed_tools, result_text
from tools.mcp_service.transport import MCPCallFailure, MCPFailure, MCPTransport
from tools.service import ToolResult

_CLIENT = Implementation(name="idaas-agent", version="0.1.0")
_CLOSED = "the session was closed"
_MOST_LISTED = 256
"""Tools that are looked at. Not all of them can be used, or are."""
_MOST_PAGES = 16
_MOST_ITEMS = 1_000
"""Of one result."""
_Result = TypeVar("_Result", bound=BaseModel)


class MCPSession:
    """Calls come from any task, each is a request of its own, and none knows of the others.

    `tools_seconds` is for how long a list of tools is taken to be current.
    """

    def __init__(
        self,
        transport: MCPTransport,
        secret: Secret,
        *,
        tools_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.secret = secret
        self._transport = transport
        self._protocol = _Protocol(transport)
        self._tools_seconds = tools_seconds
        self._clock = clock
        self._opened = self._retired = self._closed = False
        self._in_use = 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._ending: asyncio.Task[None] | None = None
        self._tools: dict[str, MCPTool] = {}
        self._listed_at: float | None = None
        self._listing = asyncio.Lock()

    async def open(self) -> None:
        """Initializes it. Raises `MCPFailure`; then the server is told that there is no session."""
        try:
            async with self._until_closed():
                await self._protocol.initialize()
        except BaseException as error:
            await self._transport.end()
            if isinstance(error, McpError | RuntimeError | ValueError):
                raise _failure(error) from None
            raise
        self._opened = True

    @property
    def is_open(self) -> bool:
        """False once it is retired or closed."""
        return self._opened and not self._retired

    @property
    def tools_are_current(self) -> bool:
        """Whether `tools` would ask nobody."""
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
        """No new uses; it ends when those in progress have ended."""
        self._retired = True
        if not self._in_use:
            self._end()

    async def close(self) -> None:
        """Ends it now. Calls in flight raise `MCPFailure`."""
        self._retired = self._closed = True
        for deadline in self._deadlines:
            deadline.reschedule(0)
        await self._end()

    async def tools(self) -> Mapping[str, MCPTool]:
        """The server's tools by name, listed once and again when the list is old. Raises `MCPFailure`.

        If listing again fails, the old list stays for as long again; not if the credential is refused.
        """
        async with self._listing:
            if not self.tools_are_current:
                try:
                    async with self._until_closed():
                        listed = await load_mcp_tools(self._protocol)
                        tools = await listed_tools(listed, self.secret)
                    self._tools = tools
                except (MCPFailure, McpError, RuntimeError, ValueError) as error:
                    failure = _failure(error)
                    if self._listed_at is None or self._closed or failure.refuses_the_key:
                        raise failure from None
                self._listed_at = self._clock()
            return self._tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """One `tools/call`, one request. Whatever the server answers is a result.

        Raises `MCPFailure`, which is a `MCPCallFailure` if it is about this call: so is every HTTP status, as
        long as the server knows the session.
        """
        try:
            async with self._until_closed():
                result = await self._protocol.call_tool(tool, dict(arguments))
        except MCPFailure as failure:
            if failure.status is None or await self._is_forgotten(failure.status):
                raise
            raise MCPCallFailure(status=failure.status) from None
        except McpError as error:
            return ToolResult(f"error {error.error.code}: {error.error.message}", ok=False)
        except (RuntimeError, ValueError) as error:  # it is no result
            raise _failure(error) from None
        return ToolResult(result_text(result), ok=not result.isError)

    async def _is_forgotten(self, status: int) -> bool:
        """Whether it is the session that a call's status is about. Servers answer 404, and some 400, for one
        that they do not know; so they do for a call that they do not like, and any user can make such calls.
        """
        if status not in (400, 404) or not self._transport.has_session:
            return False
        try:
            async with self._until_closed():
                await self._protocol.send_ping()
        except MCPFailure as failure:
            return failure.status in (400, 404)
        except (McpError, RuntimeError, ValueError):
            return False
        return False

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        """Ends the block with `MCPFailure` when the session is closed, or if it is."""
        if self._closed:
            raise MCPFailure(_CLOSED)
        deadline = asyncio.timeout(None)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                yield
        except TimeoutError:
            if deadline.expired():
                raise MCPFailure(_CLOSED) from None
            raise
        finally:
            self._deadlines.discard(deadline)

    def _end(self) -> "asyncio.Task[None]":
        if self._ending is None:
            self._ending = asyncio.create_task(self._transport.end(), context=contextvars.Context())
        return self._ending


class _Protocol(ClientSession):
    """The official session: initialization, versions, validation. The transport sends its requests.

    Its own streams, and the task that reads them, are not used: that task takes an answer that arrives as its
    caller leaves for the end of the connection. It stops reading for everybody, and says nothing.

    A result is not held against the tool's output schema: the model reads it as text, and the schema's
    regular expressions are the server's, which may take years to match.
    """

    def __init__(self, transport: MCPTransport) -> None:
        nothing_out, nothing_in = anyio.create_memory_object_stream[SessionMessage | Exception]()
        to_nobody, of_nobody = anyio.create_memory_object_stream[SessionMessage]()
        for stream in (nothing_out, nothing_in, to_nobody, of_nobody):
            stream.close()
        super().__init__(nothing_in, to_nobody, client_info=_CLIENT)
        self._transport = transport
        self._pages = self._tools_listed = 0

    async def send_request(
        self,
        request: ClientRequest,
        result_type: type[_Result],
        request_read_timeout_seconds: timedelta | None = None,  # noqa: ARG002 - the transport bounds a request
        metadata: MessageMetadata = None,  # noqa: ARG002 - for other transports
        progress_callback: ProgressFnT | None = None,  # noqa: ARG002 - nobody asks how far a call is
    ) -> _Result:
        """Raises `McpError` for an error of the server's, `MCPFailure` if there is no answer."""
        number = self._request_id
        self._request_id += 1
        members = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        answer = await self._transport.ask(JSONRPCRequest(jsonrpc="2.0", id=number, **members))
        if isinstance(answer, JSONRPCError):
            raise McpError(answer.error)
        return result_type.model_validate(_trimmed(result_type, answer.result))

    async def list_tools(self, *arguments: Any, **options: Any) -> ListToolsResult:  # noqa: ANN401 - as the base class
        """One page. The last one that is asked for names no next one, whatever the server says."""
        if not options.get("cursor"):
            self._pages, self._tools_listed = 0, 0
        page = await super().list_tools(*arguments, **options)
        self._pages += 1
        self._tools_listed += len(page.tools)
        if self._pages >= _MOST_PAGES or self._tools_listed >= _MOST_LISTED:
            page.nextCursor = None
        return page

    async def send_notification(
        self,
        notification: ClientNotification,
        related_request_id: RequestId | None = None,  # noqa: ARG002 - for servers
    ) -> None:
        """No answer, and no failure."""
        members = notification.model_dump(by_alias=True, mode="json", exclude_none=True)
        await self._transport.tell(JSONRPCNotification(jsonrpc="2.0", **members))

    async def _validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Nothing to check."""


def _trimmed(kind: type[BaseModel], result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of `result` is used. To validate the rest takes up to a second for each megabyte."""
    if kind is ListToolsResult and isinstance(tools := result.get("tools"), list):
        used = ("name", "description", "inputSchema")
        listed = [tool for tool in tools[:_MOST_LISTED] if isinstance(tool, dict)]
        return {**result, "tools": [{name: tool[name] for name in used if name in tool} for tool in listed]}
    if kind is CallToolResult and isinstance(content := result.get("content"), list):
        return {**result, "content": content[:_MOST_ITEMS]}
    return result


def _failure(error: Exception) -> MCPFailure:
    """Never with the server's text, which may have anything in it."""
    if isinstance(error, MCPFailure):
        return error
    if isinstance(error, McpError):
        return MCPFailure(f"protocol error {error.error.code}")
    return MCPFailure("the answer is not of the MCP protocol")
