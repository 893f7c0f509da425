"""The part of the MCP server in the tests of all surfaces: `tests/every_surface.py`."""

from typing import Any

import httpx


async def mcp(agent: Any, question: str, headers: dict[str, str]) -> httpx.Response:
    call = {"name": "ask", "arguments": {"question": question}, "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream"}
    response: httpx.Response = await agent.http.post(
        f"{agent.origin}/mcp", json=body, headers=headers | accept
    )
    return response


SURFACES = [mcp]
PROGRESS = [(mcp, "sales_report: ")]
ROUTES = [("POST", "/mcp")]
ADDRESSES = ["/.well-known/oauth-protected-resource/mcp"]
MEMBERS_TWICE = [("/mcp", '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"a": 1, "a": 2}}')]
