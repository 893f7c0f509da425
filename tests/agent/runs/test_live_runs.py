"""Ended runs are kept for a moment, within limits."""

import asyncio

import pytest

from agent.conversations.owned_thread import RunKey, stored_owner
from agent.errors.error_codes import AgentCode
from agent.runs.live_run import LiveRun, LiveRuns
from agent.runs.run import Finished, Outcome
from identity.errors import UnavailableError

OWNER, OTHER = stored_owner("o"), stored_owner("other")


class Tale:
    """Work that emits one text and ends when it is released. With `lost`, its end cannot be stored."""

    def __init__(self, text: str, end: str = "", *, lost: bool = False) -> None:
        self._text = text
        self._end = end
        self._lost = lost
        self.release = asyncio.Event()

    async def run(self, live: LiveRun) -> Finished:
        live.begin()
        live.emit({"type": "content", "text": self._text})
        await self.release.wait()
        return Finished(self._end)

    async def close(self, outcome: Outcome) -> Outcome:
        if self._lost:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        return outcome


async def live_run(
    runs: LiveRuns, thread: str, text: str = "Once", end: str = "", *, lost: bool = False
) -> LiveRun:
    work = Tale(text, end, lost=lost)
    run = LiveRun(work, key=RunKey(OWNER.thread(thread), f"run-{thread}"), seconds=30, on_begin=runs.add)
    await run.begun()
    work.release.set()
    return run


async def ended(
    runs: LiveRuns, thread: str, text: str = "Once", end: str = "", *, lost: bool = False
) -> LiveRun:
    run = await live_run(runs, thread, text, end, lost=lost)
    await run.task
    await asyncio.sleep(0)
    return run


async def test_ended_run_is_the_latest_but_not_running() -> None:
    runs = LiveRuns()
    run = await live_run(runs, "t")
    assert runs.running(OWNER.thread("t")) is run
    assert runs.ids() == {"run-t"}
    assert runs.running(OTHER.thread("t")) is None
    await run.task
    assert (runs.running(OWNER.thread("t")), runs.latest(OWNER.thread("t"))) == (None, run)
    assert runs.ids() == set()


async def test_ended_run_is_dropped_after_its_time() -> None:
    runs = LiveRuns(kept_seconds=0)
    await ended(runs, "t")
    for _ in range(100):
        await asyncio.sleep(0)
    assert runs.latest(OWNER.thread("t")) is None


@pytest.mark.promise("bounded")
@pytest.mark.parametrize(("text", "end"), [("x" * 60, ""), ("", "x" * 60), ("x" * 30, "x" * 30)])
async def test_events_and_ends_of_all_ended_runs_are_bounded(text: str, end: str) -> None:
    runs = LiveRuns(most_characters=100)
    first, second = await ended(runs, "first", text, end), await ended(runs, "second", text, end)
    assert runs.latest(OWNER.thread("first")) is not first
    assert runs.latest(OWNER.thread("second")) is second


@pytest.mark.promise("heals-by-itself")
async def test_run_whose_end_is_not_stored_is_dropped_after_all_others() -> None:
    runs = LiveRuns(most_characters=100)
    first = await ended(runs, "first", "x" * 60, lost=True)
    for thread in ("second", "third"):
        await ended(runs, thread, "x" * 60)
        assert runs.latest(OWNER.thread(thread)) is None
    assert runs.unstored() == [first]
    fourth = await ended(runs, "fourth", "x" * 60, lost=True)
    assert runs.unstored() == [fourth], "their number is bounded, too"


async def test_run_that_ended_is_dropped_with_its_thread_and_not_its_successor() -> None:
    runs = LiveRuns()
    await ended(runs, "t")
    successor = await ended(runs, "t")
    assert runs.latest(OWNER.thread("t")) is successor
    runs.forget(OWNER.thread("t"))
    assert runs.latest(OWNER.thread("t")) is None
