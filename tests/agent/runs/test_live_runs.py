"""Ended runs are kept for a moment, within limits."""

import asyncio

import pytest

from agent.conversations.thread import RunKey
from agent.runs.live_run import LiveRun, LiveRuns
from agent.runs.run import Finished, Outcome


class Tale:
    """Work that emits one text and ends when it is released."""

    def __init__(self, text: str, end: str = "") -> None:
        self._text = text
        self._end = end
        self.release = asyncio.Event()

    async def run(self, live: LiveRun) -> Finished:
        live.begin()
        live.emit({"type": "content", "text": self._text})
        await self.release.wait()
        return Finished(self._end)

    async def close(self, outcome: Outcome) -> Outcome:
        return outcome


async def live_run(runs: LiveRuns, thread: str, text: str = "Once", end: str = "") -> LiveRun:
    work = Tale(text, end)
    run = LiveRun(work, key=RunKey("o", thread, f"run-{thread}"), seconds=30, on_begin=runs.add)
    await run.begun()
    work.release.set()
    return run


async def ended(runs: LiveRuns, thread: str, text: str = "Once", end: str = "") -> LiveRun:
    run = await live_run(runs, thread, text, end)
    await run.task
    await asyncio.sleep(0)
    return run


async def test_ended_run_is_the_latest_but_not_running() -> None:
    runs = LiveRuns()
    run = await live_run(runs, "t")
    assert runs.running("o", "t") is run
    assert runs.ids() == {"run-t"}
    assert runs.running("other", "t") is None
    await run.task
    assert (runs.running("o", "t"), runs.latest("o", "t")) == (None, run)
    assert runs.ids() == set()


async def test_ended_run_is_dropped_after_its_time() -> None:
    runs = LiveRuns(kept_seconds=0)
    await ended(runs, "t")
    for _ in range(100):
        await asyncio.sleep(0)
    assert runs.latest("o", "t") is None


@pytest.mark.promise("bounded")
@pytest.mark.parametrize(("text", "end"), [("x" * 60, ""), ("", "x" * 60), ("x" * 30, "x" * 30)])
async def test_events_and_ends_of_all_ended_runs_are_bounded(text: str, end: str) -> None:
    runs = LiveRuns(most_characters=100)
    first, second = await ended(runs, "first", text, end), await ended(runs, "second", text, end)
    assert runs.latest("o", "first") is not first
    assert runs.latest("o", "second") is second


async def test_run_that_ended_is_dropped_with_its_thread_and_not_its_successor() -> None:
    runs = LiveRuns()
    await ended(runs, "t")
    successor = await ended(runs, "t")
    assert runs.latest("o", "t") is successor
    runs.forget("o", "t")
    assert runs.latest("o", "t") is None
