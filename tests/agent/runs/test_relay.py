"""The events of a run go to a Redis and arrive at readers in another process, also after failures."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import OwnedThread, stored_owner
from agent.conversations.thread import Thread, ThreadStatus, not_found
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.redis import RedisUnavailableError, SharedRedis
from agent.runs.event_stream import EventEntry
from agent.runs.event_writer import REFUSED_SECONDS, EventWriter
from agent.runs.live_run import LiveRun, LiveRuns
from agent.runs.relay import Relay
from agent.runs.relayed_runs import SILENT_ROUNDS, RelayedRun, RelayedRuns
from agent.runs.run import Finished, RunEvent
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import AgentError, LimitError, UnavailableError
from identity.secrets.secret import Secret
from tests.agent.runs.test_live_run import Script, live_run, piece
from tests.clock import Clock
from tests.databases.redis_process import RedisProcess

ALICE = stored_owner("alice")


@dataclass
class Threads:
    """The store of threads, as far as it is asked: one thread."""

    status: ThreadStatus | None = "running"
    failure: AgentError | None = None

    @property
    def runs(self) -> "Threads":
        return self

    async def of_deleted(self, *_: object) -> list[str]:
        if self.failure is not None:
            raise self.failure
        return ["run-1"]

    async def get(self, _: OwnedThread) -> Thread:
        if self.failure is not None:
            raise self.failure
        if self.status is None:
            raise not_found()
        return thread(self.status)


def thread(status: ThreadStatus = "running") -> Thread:
    return Thread("thread-1", None, 0, 0, status, "run-1")


async def never(_: float) -> None:
    await asyncio.Event().wait()


@dataclass
class Pair:
    """The process that executes a run, and one whose readers follow it. The test does what loops do."""

    redis: SharedRedis
    writer: EventWriter
    reading: RelayedRuns
    threads: Threads
    work: Script = field(default_factory=Script)

    def begin(self, **options: Any) -> LiveRun:
        return live_run(self.work, on_begin=self.writer.begin, on_change=self.writer.note, **options)

    async def emits(self, run: LiveRun, *texts: str) -> None:
        newest = run.replay.newest + len(texts)
        for text in texts:
            self.work.steps.put_nowait(piece(text))
        while run.replay.newest < newest:
            await run.changed()

    async def written(self, *texts: str) -> LiveRun:
        """A run with its first events in Redis."""
        run = self.begin()
        await self.emits(run, *texts)
        await self.writer.write()
        return run

    async def finishes(self, run: LiveRun) -> None:
        self.work.steps.put_nowait(Finished())
        await asyncio.wait([run.task])

    async def opened(self, status: ThreadStatus = "running") -> RelayedRun:
        run = await self.reading.open(ALICE, thread(status))
        assert run is not None
        self.reading.follow(run)
        return run

    async def read(self) -> RelayedRun:
        """The run with a reader."""
        run = await self.opened()
        run.events()
        return run


@pytest.fixture
async def pair(redis: RedisProcess) -> AsyncIterator[Pair]:
    shared, threads = SharedRedis(Secret(redis.url), audience="agent", monotonic=lambda: clock[0]), Threads()
    clock = [0.0]
    writer = EventWriter(shared, Encryption(), sleep=never, most_bytes=50_000)
    reading = RelayedRuns(shared, Encryption(), cast(ThreadStore, threads), sleep=never)
    made = Pair(shared, writer, reading, threads)
    made.clock = clock  # type: ignore[attr-defined]  # set by the fixture
    yield made
    await reading.aclose()
    await writer.aclose()
    await shared.aclose()


def shown(run: Any) -> list[tuple[int, RunEvent]]:
    return [(number, run.replay.at(number)) for number in range(run.replay.oldest, run.replay.newest + 1)]


async def test_events_arrive_with_their_positions_and_the_end_follows(pair: Pair) -> None:
    run = await pair.written("Once", "upon")
    relayed = await pair.read()
    assert (relayed.stream, relayed.key) == (run.stream, run.key)
    assert shown(relayed) == shown(run) == [(1, piece("Once")), (2, piece("upon"))]
    await pair.emits(run, "a time")
    await pair.finishes(run)
    await pair.writer.write()
    await pair.reading.round()
    assert shown(relayed) == shown(run)
    assert relayed.outcome == Finished()


async def test_what_happens_between_two_exchanges_is_one_entry(pair: Pair) -> None:
    run = pair.begin()
    await pair.emits(run, *("token" for _ in range(500)))
    await pair.writer.write()
    assert await entries(pair) == 1
    await pair.emits(run, *("token" for _ in range(500)))
    await pair.finishes(run)
    await pair.writer.write()
    assert await entries(pair) == 2
    assert shown(await pair.opened("idle")) == shown(run)


async def test_many_runs_are_written_less_often(pair: Pair) -> None:
    assert pair.writer.pause == 0.1
    pair.writer._written = 500
    assert pair.writer.pause == 0.25


async def entries(pair: Pair) -> int:
    keys = await pair.redis.use(lambda client: client.keys("*:events:*"))
    return int(await pair.redis.use(lambda client: client.xlen(keys[0])))


async def test_events_of_the_time_without_redis_arrive_after_it(pair: Pair, redis: RedisProcess) -> None:
    run = await pair.written("Once")
    relayed = await pair.read()
    redis.stop()
    try:
        await pair.emits(run, "upon")
        for work in (pair.writer.write, pair.reading.round):
            with pytest.raises(RedisUnavailableError):
                await work()
    finally:
        redis.start()
    pair.clock[0] += 5  # type: ignore[attr-defined]  # set by the fixture
    await pair.finishes(run)
    await pair.writer.write()
    await pair.reading.round()
    assert shown(relayed) == shown(run)
    assert relayed.outcome == Finished()


async def test_redis_that_has_lost_its_data_costs_a_late_reader_the_earlier_events_only(pair, redis):
    run = await pair.written("Once")
    relayed = await pair.read()
    redis.empty()
    pair.writer._streams[run].not_written()
    await pair.emits(run, "upon")
    await pair.writer.write()
    await pair.reading.round()
    assert shown(relayed) == shown(run)
    pair.reading.left(relayed)
    assert shown(await pair.opened()) == [(2, piece("upon"))]


async def test_entry_that_may_have_been_written_is_written_again_without_loss(pair: Pair) -> None:
    run = await pair.written("Once")
    early = await pair.read()
    pair.writer._streams[run]._position = 0  # Redis has written it, and its response was lost
    pair.writer.note(run)
    await pair.writer.write()
    await pair.emits(run, "upon")
    pair.writer._streams[run]._position = 0
    await pair.writer.write()
    pair.writer._streams[run]._position = 0
    await pair.finishes(run)
    await pair.writer.write()
    await pair.reading.round()
    assert shown(early) == shown(run)
    assert early.outcome == Finished()
    pair.reading.left(early)
    assert shown(await pair.opened("idle")) == shown(run)


async def test_stream_is_bounded_and_a_late_reader_begins_with_what_is_kept(pair: Pair) -> None:
    run = pair.begin()
    for number in range(60):
        await pair.emits(run, f"{number}" + "x" * 1000)
        await pair.writer.write()
    assert await entries(pair) < 50
    relayed = await pair.opened()
    assert relayed.replay.oldest > 20
    assert shown(relayed) == shown(run)[relayed.replay.oldest - 1 :]
    with pytest.raises(LimitError) as lost:
        await anext(relayed.events(after=1))
    assert lost.value.code is AgentCode.EVENTS_LOST


async def silence(pair: Pair, rounds: int = 2 * SILENT_ROUNDS) -> None:
    for _ in range(rounds):
        await pair.reading.round()
        await pair.reading._end_silent()


async def test_readers_of_a_killed_process_receive_that_the_run_was_interrupted(pair: Pair) -> None:
    await pair.written("Once")
    relayed = await pair.opened()
    reader = relayed.events()
    assert await anext(reader) == piece("Once")
    await silence(pair)
    assert relayed.outcome is None
    pair.threads.failure = UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "test")
    await silence(pair)
    assert relayed.outcome is None
    pair.threads.failure, pair.threads.status = None, "interrupted"
    await silence(pair)
    with pytest.raises(UnavailableError) as ended:
        await anext(reader)
    assert ended.value.code is AgentCode.RUN_INTERRUPTED


@pytest.mark.parametrize(("status", "code"), [("idle", AgentCode.EVENTS_LOST), (None, None)])
async def test_end_that_is_not_relayed_is_noticed(pair, status, code):
    await pair.written("Once")
    relayed = await pair.read()
    pair.threads.status = status
    await silence(pair)
    assert getattr(relayed.outcome, "code", None) is code
    assert relayed.outcome is not None


async def test_readers_of_one_run_share_it_and_the_last_one_ends_the_reading(pair: Pair) -> None:
    await pair.written("Once")
    relayed = await pair.opened()
    assert await pair.opened() is relayed
    readers = [relayed.events(), relayed.events()]
    readers[0].leave()
    assert pair.reading._followed
    readers[1].leave()
    assert not pair.reading._followed


def stored(run_id: str, first: int) -> bytes:
    """An entry as it is stored without a key."""
    return b"\0" + EventEntry(run_id, [], first, [piece("forged")]).to_json()  # type: ignore[list-item]  # no event of a run


async def test_entry_that_was_moved_or_changed_is_not_shown(pair: Pair) -> None:
    run = await pair.written("Once")
    [key] = await pair.redis.use(lambda client: client.keys("*:events:*"))
    for position, fields in (
        (2, {"e": b"\0{}"}),
        (3, {"other": b"x"}),
        (4, {"e": stored("another-run", 4)}),
        (5, {"e": stored(run.id, 2)}),
    ):
        await pair.redis.use(lambda client, p=position, f=fields: client.xadd(key, f, id=f"{p}-9"))
    assert shown(await pair.opened()) == [(1, piece("Once"))]


async def test_under_a_key_an_entry_in_clear_or_of_another_position_is_not_shown(pair: Pair) -> None:
    seal(pair)
    await pair.written("Once")
    [key] = await pair.redis.use(lambda client: client.keys("*:events:*"))
    [(_, fields)] = await pair.redis.use(lambda client: client.xrange(key))
    await pair.redis.use(lambda client: client.xadd(key, {"e": stored("run-1", 2)}, id="2-9"))
    await pair.redis.use(lambda client: client.xadd(key, fields, id="3-9"))
    assert shown(await pair.opened()) == [(1, piece("Once"))]


def seal(pair: Pair) -> None:
    """From now on both processes have the key of conversations."""
    encryption = Encryption(SealingKeys.of(base64.urlsafe_b64encode(bytes(range(32))).decode()))
    pair.writer.encryption = encryption
    pair.reading.encryption = encryption


@pytest.mark.promise("threads-are-private")
async def test_run_of_another_owner_is_not_found_by_its_ids(pair: Pair) -> None:
    await pair.written("Once")
    assert await pair.reading.open(ALICE, thread("idle")) is not None
    assert await pair.reading.open("bob", thread("idle")) is None


@pytest.mark.promise("threads-are-private")
async def test_under_a_key_an_entry_of_another_stream_is_not_shown(pair: Pair) -> None:
    seal(pair)
    run = await pair.written("Once")
    assert await pair.reading.open(ALICE, thread("idle")) is not None
    own, other = run.part.encode(), b"0" * len(run.part)
    [events] = await pair.redis.use(lambda client: client.keys("*:events:*"))
    [latest] = await pair.redis.use(lambda client: client.keys("*:latest:*"))
    await pair.redis.use(lambda client: client.rename(events, events.replace(own, other)))
    value = await pair.redis.use(lambda client: client.get(latest))
    await pair.redis.use(lambda client: client.set(latest, value.replace(own, other)))
    assert await pair.reading.open(ALICE, thread("idle")) is None


async def test_events_of_a_removed_run_are_refused_also_if_redis_was_away_when_it_was_deleted(pair, redis):
    clock, waits = Clock(), asyncio.Event()

    async def passes(seconds: float) -> None:
        waits.set()
        clock.now += seconds
        pair.clock[0] += seconds  # type: ignore[attr-defined]  # set by the fixture
        await asyncio.sleep(0)

    relay = Relay(
        pair.redis, Encryption(), cast(ThreadStore, pair.threads), LiveRuns(), clock=clock, sleep=passes
    )
    run = await pair.written("Once")
    redis.stop()
    try:
        removal = asyncio.create_task(relay.forget(ALICE, "thread-1"))
        await waits.wait()
    finally:
        redis.start()
    await removal
    await asyncio.gather(*relay._removals)
    assert set(await keys(pair)) == {"removed"}
    await pair.emits(run, "upon")
    await pair.writer.write()
    assert run not in pair.writer._streams
    await pair.finishes(run)
    await pair.writer.write()
    assert set(await keys(pair)) == {"removed"}


async def keys(pair: Pair) -> list[str]:
    """The kinds of all keys."""
    found = await pair.redis.use(lambda client: client.keys("*"))
    return [key.decode().split(":")[2] for key in found]


async def test_events_of_a_run_are_refused_when_its_removal_may_be_forgotten(pair: Pair) -> None:
    begun, _ = await pair.redis.use(lambda client: client.time())  # Redis compares with its own clock
    for age, kinds in ((REFUSED_SECONDS - 60, []), (3600, ["events", "latest", "streams"])):
        run = pair.begin(clock=lambda age=age: begun - age)  # type: ignore[misc]  # the loop variable of now
        await pair.emits(run, "Once")
        await pair.writer.write()
        assert sorted(await keys(pair)) == kinds
        run.cancel()


async def test_later_part_of_a_run_is_shown_also_if_an_earlier_one_is_written_after_it(pair: Pair) -> None:
    part = pair.begin(clock=lambda: time.time() - 5)
    await pair.emits(part, "Once")
    pair.writer._changed.clear()
    later = pair.begin()
    await pair.emits(later, "upon")
    await pair.writer.write()
    pair.writer.note(part)
    await pair.writer.write()
    assert (await pair.opened()).part == later.part
