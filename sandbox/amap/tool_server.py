"""The MCP server itself: the official package's low-level server, offering the map's catalogue."""

from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.types import CallToolResult, TextContent, Tool

from sandbox.amap.map.catalogue import TOOLS
from sandbox.amap.map.failure import ToolError
from sandbox.amap.map.map_service import run

NAME, VERSION = "mcp-server/amap-maps", "0.1.0"


def tool_server(clock: Callable[[], float]) -> Server[Any, Any]:
    """A server without state of its own; failures of tools are results with `isError`."""
    server: Server[Any, Any] = Server(NAME, VERSION)

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
