"""One session, its server in memory, so that each step of the event loop is the test's."""

import asyncio
import json

import httpx
import pytest

from identity.secret import Secret
from tools.mcp_service.errors import MCPRequestError
from tools.mcp_service.session import MCPSession
from tools.mcp_service.transport import MCPTransport

_TOOL = {"name": "weather", "description": "The weather.", "inputSchema": {"type": "object"}}
_MOST_STEPS = 60
"""Of the event loop, from the start of a call to its answer, and some more."""


class Server:
    """Answers calls while `open` is set. `received` has its messages, in order."""

    def __init__(self):
        self.open = asyncio.Event()
        self.open.set()
        self.received = asyncio.Queue()

    async def __call__(self, request):
        if request.method == "DELETE":
            return httpx.Response(204)
        message = json.loads(request.content)
        self.received.put_nowait(message)
        if "id" not in message:
            return httpx.Response(202)
        if message["method"] == "tools/call":
            await self.open.wait()
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

    async def next(self, method):
        """The next message of this method."""
        while (message := await self.received.get())["method"] != method:
            pass
        return message


@pytest.fixture
async def server():
    return Server()


@pytest.fixture
async def session(server):
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
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
    with pytest.raises(MCPRequestError):
        await session.call("weather", {})


async def test_whoever_leaves_withdraws_his_request_and_no_other(session, server):
    server.open.clear()
    leaving = asyncio.create_task(session.call("weather", {}))
    request = await server.next("tools/call")
    staying = asyncio.create_task(session.call("weather", {}))
    await server.next("tools/call")
    leaving.cancel()
    withdrawn = await server.next("notifications/cancelled")
    assert withdrawn["params"]["requestId"] == request["id"]
    server.open.set()
    assert (await staying).text == "sunny"


async def test_what_was_not_answered_in_time_is_withdrawn(server):
    server.open.clear()
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        transport = MCPTransport(http, "http://localhost/mcp", Secret("K1"), seconds=0.05, max_bytes=10_000)
        session = MCPSession(transport, Secret("K1"), tools_seconds=300)
        await session.open()
        with pytest.raises(MCPRequestError, match="no response within"):
            await session.call("weather", {})
        await server.next("notifications/cancelled")
        await session.close()
