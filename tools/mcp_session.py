"""One session with an MCP server, under one credential, owned by one task."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import anyio
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError
from mcp.shared.message import MessageMetadata, SessionMessage
from mcp.shared.session import ProgressFnT
from mcp.types import CONNECTION_CLOSED, CallToolResult, ClientRequest, Implementation
from pydantic import BaseModel

from identity.secret import Secret
from tools.mcp_tool import MCPTool, listed_tools, result_text
from tools.mcp_transport import Incoming, MCPTransport, Outgoing, TransportFailure
from tools.service import ToolResult

_CLIENT = Implementation(name="idaas-agent", version="0.1.0")
_CLOSED = "the session was closed"
_Result = TypeVar("_Result", bound=BaseModel)
_Outcome = TypeVar("_Outcome")


class MCPFailure(Exception):  # noqa: N818 - the service makes the error of it
    """The server did not answer a request. `status` is the HTTP status, if there was one."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class MCPSession:
    """Calls come from any task; the protocol's session lives in a task of its own, which ends with `close`.

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
        self._tools_seconds = tools_seconds
        self._clock = clock
        self._session: _Session | None = None
        self._owner: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._retired = False
        self._in_use = 0
        self._tools: dict[str, MCPTool] = {}
        self._listed_at: float | None = None
        self._listing = asyncio.Lock()

    async def open(self) -> None:
        """Connects and initializes. Raises `MCPFailure`."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A context of its own: the session outlives the run that happens to open it.
        self._owner = asyncio.create_task(self._own(opened), context=contextvars.Context())
        try:
            await opened
        except BaseException:
            self._owner.cancel()
            await asyncio.wait([self._owner])
            raise

    @property
    def is_open(self) -> bool:
        """False once it is retired or closed."""
        return not self._retired and self._owner is not None and not self._owner.done()

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
                self._ended.set()

    def retire(self) -> None:
        """No new uses; it ends when those in progress have ended."""
        self._retired = True
        if not self._in_use:
            self._ended.set()

    async def close(self) -> None:
        """Ends it now. Calls in flight raise `MCPFailure`."""
        self._cut_off()
        if self._owner is not None:
            await asyncio.wait([self._owner])

    async def tools(self) -> Mapping[str, MCPTool]:
        """The server's tools by name, listed once and again when the list is old. Raises `MCPFailure`.

        If listing again fails, the old list stays for as long again.
        """
        async with self._listing:
            if not self.tools_are_current:
                try:
                    listed = await self._raced(load_mcp_tools(self._connected()))
                    self._tools = listed_tools(listed, self.secret)
                except (McpError, RuntimeError, ValueError) as error:
                    if self._listed_at is None:
                        raise _failure(error) from None
                self._listed_at = self._clock()
            return self._tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """One `tools/call`, one request. Whatever the server answers is a result. Raises `MCPFailure`."""
        try:
            result = await self._raced(self._connected().call_tool(tool, dict(arguments)))
        except McpError as error:
            if isinstance(error.error.data, TransportFailure) or _says_closed(error):
                raise _failure(error) from None
            return ToolResult(f"error {error.error.code}: {error.error.message}", ok=False)
        except (RuntimeError, ValueError) as error:  # it is no result
            raise _failure(error) from None
        return ToolResult(result_text(result), ok=not result.isError)

    async def _raced(self, work: Coroutine[Any, Any, _Outcome]) -> _Outcome:
        """The outcome of `work`, or the end of the session, of which the library would not tell it."""
        assert self._owner is not None  # noqa: S101 - `_connected` was asked
        call = asyncio.create_task(work)
        try:
            await asyncio.wait({call, self._owner}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # the same, seen by the call first
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait([call])
        raise MCPFailure(_CLOSED)

    def _connected(self) -> "_Session":
        if self._session is None:
            raise RuntimeError("the session is not open")
        return self._session

    def _made(self, incoming: Incoming, outgoing: Outgoing) -> "_Session":
        session = _Session(incoming, outgoing, client_info=_CLIENT)
        session.transport, session.ended = self._transport, self._cut_off
        return session

    def _cut_off(self) -> None:
        """Ends it whoever uses it: nothing would be answered any more."""
        self._retired = True
        self._ended.set()

    async def _own(self, opened: "asyncio.Future[None]") -> None:
        try:
            async with (
                self._transport.connected() as (incoming, outgoing),
                self._made(incoming, outgoing) as session,
            ):
                try:
                    await session.initialize()
                except (McpError, RuntimeError, ValueError) as error:
                    if not opened.done():
                        opened.set_exception(_failure(error))
                    return
                self._session = session
                if not opened.done():
                    opened.set_result(None)
                await self._ended.wait()
        finally:
            if not opened.done():
                opened.set_exception(MCPFailure(_CLOSED))


class _Session(ClientSession):
    """A request that nobody waits for any more is withdrawn from the transport.

    A result is not held against the tool's output schema: the model reads it as text, and the schema's
    regular expressions are the server's, which may take years to match.

    An answer may arrive in the moment in which its caller leaves. The library takes that for the end of the
    connection: it stops reading for everybody, and says nothing. Here such an answer is dropped; and should
    the reading end in any other way, the session knows it.
    """

    transport: MCPTransport
    ended: Callable[[], None]
    """Called when nothing is read any more."""

    async def _handle_response(self, message: SessionMessage) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await super()._handle_response(message)

    async def _receive_loop(self) -> None:
        try:
            await super()._receive_loop()
        finally:
            self.ended()

    async def _validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Nothing to check."""

    async def send_request(
        self,
        request: ClientRequest,
        result_type: type[_Result],
        request_read_timeout_seconds: timedelta | None = None,
        metadata: MessageMetadata = None,
        progress_callback: ProgressFnT | None = None,
    ) -> _Result:
        request_id = self._request_id
        try:
            return await super().send_request(
                request, result_type, request_read_timeout_seconds, metadata, progress_callback
            )
        except asyncio.CancelledError:
            self.transport.abandon(request_id)
            raise


def _says_closed(error: McpError) -> bool:
    """What the library answers to calls in flight when it stops reading."""
    return (error.error.code, error.error.message) == (CONNECTION_CLOSED, "Connection closed")


def _failure(error: Exception) -> MCPFailure:
    """Never with the server's text, which may have anything in it."""
    if isinstance(error, McpError):
        if isinstance(data := error.error.data, TransportFailure):
            return MCPFailure(data.detail, data.status)
        if _says_closed(error):
            return MCPFailure(_CLOSED)
        return MCPFailure(f"protocol error {error.error.code}")
    return MCPFailure("the answer is not of the MCP protocol")
