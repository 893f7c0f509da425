"""One session, its server in memory, so that each step of the event loop is the test's."""

import asyncio
import json

import httpx
import pytest

from identity.secret import Secret
from tools.mcp_session import MCPSession
from tools.mcp_transport import MCPFailure, MCPTransport

_TOOL = {"name": "weather", "description": "The weather.", "inputSchema": {"type": "object"}}
_MOST_STEPS = 60
"""Of the event loop, from the start of a call to its answer, and some more."""


def answer(request):
    message = json.loads(request.content)
    if "id" not in message:
        return httpx.Response(202)
    results = {
        "initialize": {
            "protocolVersion": message.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "test", "version": "1"},
        },
        "tools/list": {"tools": [_TOOL]},
        "tools/call": {"content": [{"type": "text", "text": "sunny"}]},
    }
    result = results[message["method"]]
    return httpx.Response(200, json={"jsonrpc": "2.0", "id": message["id"], "result": result})


@pytest.fixture
async def session():
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        key = Secret("K1")
        transport = MCPTransport(http, "http://localhost/mcp", key, seconds=10, max_bytes=10_000)
        session = MCPSession(transport, key, tools_seconds=300)
        await session.open()
        yield session
        await session.close()


@pytest.mark.promise("heals-by-itself")
async def test_whoever_leaves_at_whichever_moment_leaves_the_session_to_the_others(session):
    left = 0
    for steps in range(_MOST_STEPS):
        leaving = asyncio.create_task(session.call("weather", {}))
        staying = asyncio.create_task(session.call("weather", {}))
        for _ in range(steps):
            await asyncio.sleep(0)
        left += leaving.cancel()
        assert (await staying).text == "sunny"
        await asyncio.wait([leaving])
        assert session.is_open
    assert 0 < left < _MOST_STEPS  # from before the request to after the answer


async def test_a_call_to_a_session_that_is_closed_is_a_failure_like_others(session):
    await session.close()
    with pytest.raises(MCPFailure):
        await session.call("weather", {})
