"""The thread of the SQLite file: in order, reported together, and never in the way of the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from agent.conversations.database.sqlite_database import WorkThread


@pytest.fixture
async def thread() -> AsyncIterator[WorkThread]:
    thread = WorkThread("test")
    yield thread
    thread.close()


async def test_work_is_done_in_order_in_one_other_thread(thread: WorkThread) -> None:
    done: list[tuple[int, int]] = []

    async def add(number: int) -> None:
        await thread.do(lambda: done.append((number, threading.get_ident())))

    await asyncio.gather(*(add(number) for number in range(100)))
    assert [number for number, _ in done] == list(range(100))
    [used] = {identifier for _, identifier in done}
    assert used != threading.get_ident()


async def test_each_caller_receives_its_own_result_or_error(thread: WorkThread) -> None:
    def work(number: int) -> int:
        if number % 2:
            raise LookupError(number)
        return number

    attempts = (thread.do(lambda number=number: work(number)) for number in range(50))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    for number, result in enumerate(results):
        if number % 2:
            assert isinstance(result, LookupError)
            assert result.args == (number,)
        else:
            assert result == number


async def test_event_loop_goes_on_while_work_is_done(thread: WorkThread) -> None:
    go_on = threading.Event()
    waiting = asyncio.create_task(thread.do(lambda: go_on.wait(20)))
    later = asyncio.create_task(thread.do(lambda: "later"))
    await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    assert await asyncio.gather(waiting, later) == [True, "later"]


async def test_work_of_a_cancelled_caller_is_done_and_others_are_reported(thread: WorkThread) -> None:
    go_on, done = threading.Event(), []
    first = asyncio.create_task(thread.do(lambda: go_on.wait(20)))
    cancelled = asyncio.create_task(thread.do(lambda: done.append("cancelled")))
    last = asyncio.create_task(thread.do(lambda: "last"))
    await asyncio.sleep(0)
    cancelled.cancel()
    go_on.set()
    assert await last == "last"
    assert (done, first.done(), cancelled.cancelled()) == (["cancelled"], True, True)
