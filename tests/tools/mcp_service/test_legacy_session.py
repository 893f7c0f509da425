"""One session with a server in memory, so that a test controls each step of the event loop."""

import asyncio
import gc
import json

import httpx
import pytest

from tests.tools.mcp_service.mcp_server import session_on, weather

_TOOL = {"name": "weather", "description": "The weather.", "inputSchema": {"type": "object"}}
_MAX_STEPS = 60
"""Of the event loop: more than a call takes from its start to its response."""


class Server:
    """Responds to calls while `open` is set. `received` has its messages, in order."""

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


@pytest.mark.promise("heals-by-itself")
async def test_call_cancelled_at_any_step_does_not_affect_the_session(session):
    cancelled_calls = 0
    for steps in range(_MAX_STEPS):
        cancelled = asyncio.create_task(session.call(weather()))
        other = asyncio.create_task(session.call(weather()))
        for _ in range(steps):
            await asyncio.sleep(0)
        cancelled_calls += cancelled.cancel()
        assert (await other).text == "sunny"
        await asyncio.wait([cancelled])
    assert 0 < cancelled_calls < _MAX_STEPS  # from before the request to after the response


async def test_cancelled_call_cancels_its_own_request_at_the_server_only(session, server):
    server.open.clear()
    cancelled = asyncio.create_task(session.call(weather()))
    request = await server.next("tools/call")
    other = asyncio.create_task(session.call(weather()))
    await server.next("tools/call")
    cancelled.cancel()
    notification = await server.next("notifications/cancelled")
    assert notification["params"]["requestId"] == request["id"]
    server.open.set()
    assert (await other).text == "sunny"


async def test_end_of_a_session_that_is_cancelled_before_it_begins_leaves_no_work_behind(server, recwarn):
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        session = session_on(http)
        await session.open()
        session.retire()
        (ending,) = (task for task in asyncio.all_tasks() if task.get_coro().__name__ == "_sent_beside")
        ending.cancel()
        await asyncio.wait([ending])
        del ending, session
    gc.collect()  # also what other tests have left, which warns of other things
    assert [str(each.message) for each in recwarn if "LegacySession" in str(each.message)] == []
