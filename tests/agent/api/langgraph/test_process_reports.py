"""The agents of the event loops of one process report a stop as one, and live and end as one."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from threading import Event, Thread
from typing import Any

import pytest

from agent.api.langgraph.process_reports import ProcessReports
from agent.operations.revocation.stop_reports import StopReport, StopReporter
from graph.call_steps.stops import CallInProgress, Stops
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList

pytestmark = pytest.mark.promise("stopped-refused")

STOP = Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, STOPPED, 1000.0)
APPLIES = CallInProgress("leave", "leave_apply", "alice", "call_2", "write", 990.0)
EARLIER = CallInProgress("leave", "leave_apply", "bob", "call_1", "write", 980.0)


class MemoryReports:
    """The reports of all processes, and those that live."""

    has_heartbeats = True

    def __init__(self) -> None:
        self.kept: dict[tuple[Revocation, str], StopReport] = {}
        self.living: set[str] = set()
        self.on_seen: Callable[[], Awaitable[None]] | None = None

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        self.kept[stop, process_id] = report

    async def of(self, stop: Revocation) -> Any:
        return {process: report for (known, process), report in self.kept.items() if known == stop}

    async def seen(self, process_id: str) -> None:
        if self.on_seen is not None:
            await self.on_seen()
        self.living.add(process_id)

    async def gone(self, process_id: str) -> None:
        self.living.discard(process_id)

    async def processes(self) -> Any:
        return dict.fromkeys(self.living, 0.0)


@pytest.fixture
def kept() -> MemoryReports:
    return MemoryReports()


@pytest.fixture
def process() -> ProcessReports:
    return ProcessReports()


async def forever(_: float) -> None:
    await asyncio.Event().wait()


async def at_once(_: float) -> None:
    """Without a pause."""


def reporter(kept: MemoryReports, revocations: RevocationList) -> StopReporter:
    return StopReporter(
        Stops(revocations, lambda: 1000.0), kept, "agent", clock=lambda: 1000.0, sleep=forever
    )


def joined(process: ProcessReports, kept: MemoryReports) -> tuple[StopReporter, RevocationList]:
    """The reporter of an agent of the running loop, and the agent's revocations."""
    revocations = RevocationList(clock=lambda: 1000.0)
    made = reporter(kept, revocations)
    process.join(made, revocations, revocations.apply)
    return made, revocations


class OtherLoop:
    """An event loop in a thread of its own, as a server has for its runs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.move()

    def move(self) -> None:
        self._thread = Thread(target=self.loop.run_forever)
        self._thread.start()

    def stand_still(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    async def does(self, work: Awaitable[Any]) -> Any:
        async def done() -> Any:
            return await work

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(done(), self.loop))

    async def joins(
        self, process: ProcessReports, kept: MemoryReports
    ) -> tuple[StopReporter, RevocationList]:
        """As `joined`, in this loop."""

        async def join() -> tuple[StopReporter, RevocationList]:
            return joined(process, kept)

        made: tuple[StopReporter, RevocationList] = await self.does(join())
        return made

    def close(self) -> None:
        self.stand_still()
        self.loop.close()


@pytest.fixture
def other() -> Any:
    made = OtherLoop()
    yield made
    if not made.loop.is_closed():
        made.close()


async def test_stop_is_confirmed_when_it_is_in_force_in_every_loop(
    process: ProcessReports, kept: MemoryReports, other: OtherLoop
) -> None:
    here, _ = joined(process, kept)
    there, _ = await other.joins(process, kept)
    first = StopReport([APPLIES], {"leave": ["leave_apply"], "x": []})
    waits = asyncio.create_task(here.reports.put(STOP, here.process_id, first))
    await asyncio.sleep(0)
    assert kept.kept == {}
    second = StopReport([EARLIER], {"leave": ["balance"]})
    await other.does(there.reports.put(STOP, there.process_id, second))
    await waits
    tools = {"leave": ["balance", "leave_apply"], "x": []}
    assert kept.kept == {(STOP, process.id): StopReport([EARLIER, APPLIES], tools)}
    assert await here.reports.of(STOP) == {process.id: kept.kept[STOP, process.id]}


async def test_stop_is_not_confirmed_for_a_loop_that_does_not_answer(
    kept: MemoryReports, other: OtherLoop
) -> None:
    process = ProcessReports(sleep=at_once)
    here, _ = joined(process, kept)
    await other.joins(process, kept)
    await here.reports.put(STOP, here.process_id, StopReport())
    assert kept.kept == {}


@pytest.mark.parametrize("end", [OtherLoop.stand_still, OtherLoop.close])
async def test_loop_in_which_nothing_runs_is_not_waited_for(
    process: ProcessReports, kept: MemoryReports, other: OtherLoop, end: Callable[[OtherLoop], None]
) -> None:
    here, revocations = joined(process, kept)
    await other.joins(process, kept)
    end(other)
    revocations.apply(STOP)
    await here.reports.put(STOP, here.process_id, StopReport())
    assert kept.kept == {(STOP, process.id): StopReport([], None)}
    if not other.loop.is_closed():
        other.move()


async def test_loop_that_stood_still_has_a_stop_in_force_before_it_does_anything(
    process: ProcessReports, kept: MemoryReports, other: OtherLoop
) -> None:
    _, revocations = joined(process, kept)
    _, of_other = await other.joins(process, kept)
    other.stand_still()
    revocations.apply(STOP)

    async def stopped_at() -> float | None:
        return of_other.stopped_at(Target.CALLS_OF_SERVICE, "leave")

    running = asyncio.ensure_future(other.does(stopped_at()))
    await asyncio.sleep(0)
    other.move()
    assert await running == 1000.0


async def test_process_lives_once_whatever_its_conversations_record_and_ends_once(
    process: ProcessReports, kept: MemoryReports, other: OtherLoop
) -> None:
    here, _ = joined(process, kept)
    there, _ = await other.joins(process, kept)
    here.start()
    await asyncio.sleep(0)
    await other.does(there.reports.seen(there.process_id))
    assert kept.living == {process.id}
    assert await here.reports.processes() == {process.id: 0.0}
    await here.aclose()
    await other.does(there.reports.seen(there.process_id))
    assert kept.living == set()


async def test_loop_that_records_a_life_during_the_end_of_the_process_takes_it_back(
    process: ProcessReports, kept: MemoryReports, other: OtherLoop
) -> None:
    here, _ = joined(process, kept)
    there, _ = await other.joins(process, kept)
    records, ended = Event(), Event()

    async def slowly() -> None:
        records.set()
        await asyncio.to_thread(ended.wait)

    kept.on_seen = slowly
    seen = asyncio.ensure_future(other.does(there.reports.seen(there.process_id)))
    await asyncio.to_thread(records.wait)
    await here.reports.gone(here.process_id)
    ended.set()
    await seen
    assert kept.living == set()


async def test_process_that_serves_again_lives_again(process: ProcessReports, kept: MemoryReports) -> None:
    first, _ = joined(process, kept)
    await first.reports.gone(first.process_id)
    second, _ = joined(process, kept)
    await second.reports.seen(second.process_id)
    assert kept.living == {process.id}


def test_worker_that_was_forked_after_the_import_is_a_process_of_its_own(process: ProcessReports) -> None:
    readable, writable = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.write(writable, process.id.encode())
        os._exit(0)
    os.close(writable)
    os.waitpid(worker, 0)
    with os.fdopen(readable) as said:
        of_worker = said.read()
    assert of_worker
    assert of_worker != process.id
