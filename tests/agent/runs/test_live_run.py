"""A live run has any number of readers, none of which delays or ends it."""

import asyncio
from typing import Any

import pytest

from agent.conversations.owned_thread import RunKey, stored_owner
from agent.errors.error_codes import AgentCode
from agent.operations.metrics.run_measures import RunMeasures
from agent.runs.live_run import LiveRun
from agent.runs.run import Finished, Outcome, Paused, ReplayBuffer, RunEvent
from identity.errors import AgentError, InternalError, LimitError, RunTimeoutError, UnavailableError


def piece(text: str) -> RunEvent:
    return {"type": "content", "text": text}


class Script:
    """Work that emits what the test puts into `steps`: an event, an end, or an error."""

    def __init__(self, *steps: Any, begins: bool = True) -> None:
        self.steps: asyncio.Queue[Any] = asyncio.Queue()
        for step in steps:
            self.steps.put_nowait(step)
        self._begins = begins
        self.outcomes: list[Outcome] = []
        self.closing = asyncio.Event()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.close_error: Exception | None = None

    async def run(self, live: LiveRun) -> Finished | Paused:
        if self._begins:
            live.begin()
        while True:
            match await self.steps.get():
                case Exception() as error:
                    raise error
                case Finished() | Paused() as end:
                    return end
                case event:
                    live.emit(event)

    async def close(self, outcome: Outcome) -> Outcome:
        self.outcomes.append(outcome)
        self.closing.set()
        await self.may_close.wait()
        if self.close_error is not None:
            raise self.close_error
        return outcome


def live_run(work: Script, *, seconds: float = 30, **options: Any) -> LiveRun:
    return LiveRun(
        work, key=RunKey(stored_owner("alice").thread("thread-1"), "run-1"), seconds=seconds, **options
    )


async def read(run: LiveRun, after: int = 0) -> list[tuple[int, RunEvent]]:
    reader = run.events(after)
    return [(reader.position, event) async for event in reader]


END = Finished("Once upon")


async def test_reader_that_leaves_neither_ends_nor_delays_the_run() -> None:
    work = Script(*map(piece, "abc"))
    run = live_run(work)
    reading = asyncio.create_task(read(run))
    await anext(run.events())
    reading.cancel()
    await asyncio.wait([reading])
    for _ in range(10_000):
        work.steps.put_nowait(piece("d"))
    work.steps.put_nowait(END)
    await run.task
    assert run.outcome == END


async def test_events_that_are_not_kept_are_reported_as_lost() -> None:
    work = Script(*map(piece, "abcdefgh"), END)
    run = live_run(work, events=ReplayBuffer(events=4))
    await run.task
    assert run.replay.oldest > 1
    with pytest.raises(LimitError) as lost:
        await read(run)
    assert lost.value.code is AgentCode.EVENTS_LOST
    kept = await read(run, after=run.replay.oldest - 1)
    assert kept[0][0] == run.replay.oldest
    assert kept[-1] == (9, END)


async def test_memory_of_events_is_bounded_by_their_text() -> None:
    buffer = ReplayBuffer(characters=100)
    for _ in range(1000):
        buffer.add(piece("x" * 10))
        assert sum(len(buffer.at(n)["text"]) for n in range(buffer.oldest, buffer.newest + 1)) <= 100  # type: ignore[index]  # all are texts
    assert buffer.newest == 1000


async def test_end_is_received_after_it_is_stored() -> None:
    work = Script(piece("Once"), END)
    work.may_close.clear()
    run = live_run(work)
    reader = run.events()
    assert await anext(reader) == piece("Once")
    end = asyncio.ensure_future(anext(reader))
    await work.closing.wait()
    assert work.outcomes == [END]
    assert not end.done()
    work.may_close.set()
    assert await end == END
    assert reader.position == 2


async def test_run_cannot_be_cancelled_while_its_end_is_stored() -> None:
    work = Script(END)
    work.may_close.clear()
    run = live_run(work)
    await work.closing.wait()
    run.cancel()
    run.end(UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    work.may_close.set()
    assert await read(run) == [(1, END)]


def is_ended(run: LiveRun, _: Script) -> AgentCode:
    run.end(UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
    return AgentCode.SHUTTING_DOWN


def has_a_fault(_: LiveRun, work: Script) -> AgentCode:
    work.steps.put_nowait(ZeroDivisionError("canary"))
    return AgentCode.INTERNAL_ERROR


def fails(_: LiveRun, work: Script) -> AgentCode:
    work.steps.put_nowait(LimitError(AgentCode.RATE_LIMITED, "test"))
    return AgentCode.RATE_LIMITED


@pytest.mark.parametrize("fail", [is_ended, has_a_fault, fails])
async def test_every_reader_receives_the_events_and_then_the_error(fail):
    work = Script(piece("Once"))
    run = live_run(work)
    readers = [run.events(), run.events()]
    for reader in readers:
        await anext(reader)
    code = fail(run, work)
    for reader in [*readers, run.events(1)]:
        with pytest.raises(AgentError) as failure:
            await anext(reader)
        assert failure.value.code is code
        assert "canary" not in str(failure.value.__notes__)
    assert isinstance(work.outcomes[0], AgentError)


async def test_time_limit_ends_the_run() -> None:
    run = live_run(Script(), seconds=0)
    with pytest.raises(RunTimeoutError):
        await anext(run.events())


async def test_failure_to_store_the_end_is_the_error_of_the_run() -> None:
    work = Script(END)
    work.close_error = OSError("canary")
    run = live_run(work)
    with pytest.raises(InternalError):
        await anext(run.events())


async def test_begun_raises_what_prevented_the_run() -> None:
    await live_run(Script()).begun()
    refused = live_run(Script(LimitError(AgentCode.RATE_LIMITED, "test"), begins=False))
    with pytest.raises(LimitError):
        await refused.begun()
    cancelled = live_run(Script(begins=False))
    cancelled.cancel()
    with pytest.raises(UnavailableError):
        await cancelled.begun()


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((piece("Sunny"), Finished()), ""),
        ((piece("Sunny"), Paused(())), ""),
        ((piece("Sunny"), UnavailableError(AgentCode.OVERLOADED, "busy")), "overloaded"),
    ],
)
async def test_run_is_measured_with_its_end(steps: tuple[Any, ...], error: str) -> None:
    measures = RunMeasures()
    await live_run(Script(*steps), measures=measures).task
    assert [labels for labels, _ in measures.seconds.values.items()] == [(error,)]
    assert sum(measures.first_token.values[()][:-1]) == 1
    assert measures.open == 0


async def test_cancelled_run_is_measured_as_such() -> None:
    measures, work = RunMeasures(), Script(piece("Sunny"))
    run = live_run(work, measures=measures)
    await run.begun()
    assert measures.open == 1
    run.cancel()
    await run.task
    assert list(measures.seconds.values) == [("cancelled",)]


@pytest.mark.parametrize("one_reader", [True, False])
async def test_reader_that_is_cancelled_loses_no_event(one_reader: bool) -> None:
    work = Script()
    reader = live_run(work, one_reader=one_reader).events()
    reading = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    work.steps.put_nowait(piece("Once"))
    assert await anext(reader) == piece("Once")


async def test_event_is_dropped_when_the_only_reader_has_it() -> None:
    work = Script(*map(piece, "abc"), END)
    run = live_run(work, one_reader=True)
    reader = run.events()
    assert await anext(reader) == piece("a")
    await run.task
    assert run.replay.oldest == 2
    assert [event async for event in reader] == [piece("b"), piece("c"), END]
    assert run.replay.oldest > run.replay.newest


async def test_other_tasks_run_while_a_reader_catches_up() -> None:
    run = live_run(Script(*map(piece, ["x"] * 1000), END))
    await run.task
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert len(await read(run)) == 1001
    counting.cancel()
    assert turns >= 10
