"""The MCP server, and sessions that can be forgotten: the official package's server and session manager.

A session manager lives in a task of its own, because its task group must be left in the task that entered
it. There is one for each way of serving, made when the first request needs it: with sessions or stateless,
answering Server-Sent Events or JSON.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import CallToolResult, TextContent, Tool
from starlette.types import Receive, Scope, Send

from sandbox.amap.tools import TOOLS, ToolError, run


def tool_server(clock: Callable[[], float]) -> Server[Any, Any]:
    """A server without state of its own; failures of tools are results with `isError`."""
    server: Server[Any, Any] = Server("mcp-server/amap-maps", "0.1.0")

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]  # the package leaves it untyped
    async def list_tools() -> list[Tool]:
        return list(TOOLS)

    # The map checks arguments itself and answers in its own words, hence validate_input=False.
    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]  # the package leaves it untyped
    async def call_tool(name: str, arguments: dict[str, Any]) -> CallToolResult:
        try:
            text, failed = run(name, arguments, clock()), False
        except ToolError as failure:
            text, failed = str(failure), True
        return CallToolResult(content=[TextContent(type="text", text=text)], isError=failed)

    return server


Serving: TypeAlias = tuple[bool, bool]
"""How the server answers: without sessions, and JSON instead of Server-Sent Events."""


class Sessions:
    """Dispatches requests to the manager for the way of serving that `serving` names at that moment."""

    def __init__(self, server: Server[Any, Any], serving: Callable[[], Serving]) -> None:
        self._server = server
        self._serving = serving
        self._running: dict[Serving, _Running] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request. Remembers the event loop, so that `restart` works from other threads."""
        self._loop = asyncio.get_running_loop()
        serving = self._serving()
        running = self._running.get(serving)
        if running is None:
            running = self._running[serving] = _Running(self._server, serving)
        await running.ready
        await running.manager.handle_request(scope, receive, send)

    def restart(self) -> None:
        """Every session is gone: its id answers 404, its streams end. Safe from any thread; does not wait."""
        stopped, self._running = self._running, {}
        if self._loop is not None and not self._loop.is_closed():
            for running in stopped.values():
                self._loop.call_soon_threadsafe(running.task.cancel)

    async def stop(self) -> None:
        """Ends all sessions and waits for them."""
        stopped, self._running = self._running, {}
        for running in stopped.values():
            running.task.cancel()
        await asyncio.gather(*(running.task for running in stopped.values()), return_exceptions=True)


class _Running:
    """A session manager and the task that it lives in."""

    def __init__(self, server: Server[Any, Any], serving: Serving) -> None:
        stateless, as_json = serving
        self.manager = StreamableHTTPSessionManager(server, stateless=stateless, json_response=as_json)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self.manager.run():
                self.ready.set_result(None)
                await asyncio.Event().wait()
        finally:
            if not self.ready.done():
                self.ready.cancel()
