"""One session with a server in memory, so that a test controls each step of the event loop."""

import asyncio
import gc

import httpx
import pytest

from tests.tools.mcp_service.mcp_server import MemoryServer, session_on, weather

_MAX_STEPS = 60
"""Of the event loop: more than a call takes from its start to its response."""


@pytest.fixture
async def server():
    return MemoryServer()


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
