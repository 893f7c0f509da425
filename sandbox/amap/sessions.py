"""The MCP server, and sessions that can be forgotten: the official package's server and session manager.

A session manager lives in a task of its own, because its task group must be left in the task that entered
it. It is made when the first request needs it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import CallToolResult, TextContent, Tool
from starlette.types import Receive, Scope, Send

from sandbox.amap.tools import TOOLS, called


def tool_server(clock: Callable[[], float]) -> Server[Any, Any]:
    """A server without state of its own; failures of tools are results with `isError`."""
    server: Server[Any, Any] = Server("mcp-server/amap-maps", "0.1.0")

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]  # the package leaves it untyped
    async def list_tools() -> list[Tool]:
        return list(TOOLS)

    # The map checks arguments itself and answers in its own words, hence validate_input=False.
    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]  # the package leaves it untyped
    async def call_tool(name: str, arguments: dict[str, Any]) -> CallToolResult:
        text, failed = called(name, arguments, clock())
        return CallToolResult(content=[TextContent(type="text", text=text)], isError=failed)

    return server


class Sessions:
    """The sessions of a server, which can be forgotten."""

    def __init__(self, server: Server[Any, Any]) -> None:
        self._server = server
        self._ready: asyncio.Future[StreamableHTTPSessionManager]
        self._running: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request. Remembers the event loop, so that `restart` works from other threads."""
        self._loop = asyncio.get_running_loop()
        if self._running is None:
            self._ready = self._loop.create_future()
            self._running = asyncio.create_task(self._run(self._ready))
        await (await self._ready).handle_request(scope, receive, send)

    def restart(self) -> None:
        """Every session is gone: its id answers 404, its streams end. Safe from any thread; does not wait."""
        stopped, self._running = self._running, None
        if stopped is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(stopped.cancel)

    async def stop(self) -> None:
        """Ends all sessions and waits for them."""
        stopped, self._running = self._running, None
        if stopped is not None:
            stopped.cancel()
            await asyncio.wait([stopped])

    async def _run(self, ready: "asyncio.Future[StreamableHTTPSessionManager]") -> None:
        manager = StreamableHTTPSessionManager(self._server)
        try:
            async with manager.run():
                ready.set_result(manager)
                await asyncio.Event().wait()
        finally:
            ready.cancel()  # if it is not done
