"""An official server on a port of loopback that it prints: of SDK 2.x, or of the 1.x that is installed."""

import socket
from typing import Annotated

import uvicorn
from pydantic import Field

try:
    from mcp.server import MCPServer
    from mcp.server.caching import CacheHint
    from mcp.server.mcpserver import Context, Image

    options = {"cache_hints": {"tools/list": CacheHint(ttl_ms=3_600_000)}}
except ImportError:
    from mcp.server.fastmcp import Context, Image
    from mcp.server.fastmcp import FastMCP as MCPServer

    options = {}

server = MCPServer("referee", **options)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(name="天气")
def weather(city: Annotated[str, Field(description="A city.")]) -> dict[str, str]:
    """The weather of a city."""
    return {"city": city, "weather": "晴"}


@server.tool()
async def slow(context: Context) -> str:
    """Reports progress."""
    await context.report_progress(0.5, 1, "half")
    return "ready"


@server.tool(structured_output=False)
def picture() -> list:
    """Draws."""
    return ["here:", Image(data=b"hi", format="png")]


@server.tool()
def broken() -> str:
    """Fails."""
    raise ValueError("INVALID_USER_KEY")


@server.tool()
async def grow(context: Context) -> str:
    """Adds a tool, and says so in the newer version."""
    server.add_tool(add, name="grown")
    if hasattr(context, "notify_tools_changed"):
        await context.notify_tools_changed()
    return "grown"


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - what the test reads
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])
