"""A stop reaches every replica, whatever happens to one of them or to Redis; each reports what goes on."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.conversations.database.database import query
from agent.operations.revocation.database_store import DatabaseStore, database_store
from agent.operations.revocation.enforcer import RevocationEnforcer
from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.stop_reports import (
    DatabaseReports,
    RedisReports,
    StopReport,
    StopReporter,
    StopReports,
)
from agent.operations.revocation.store import StoreError
from agent.redis import SharedRedis
from graph.call_steps.stops import CallInProgress, Stops
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.audit.trail import AuditTrail
from identity.secrets.secret import Secret
from tests.agent.operations.revocation.killed_replica import replica
from tests.databases.redis_process import RedisProcess
from tests.forked import fork
from tests.until import until

pytestmark = pytest.mark.promise("stopped-refused")

ROOT = Path(__file__).parents[4]
NOW = 1000.0
APPLIES = CallInProgress("leave", "leave_apply", "alice", "call_1", "write", 990.0)


def stop_of(name: str = "leave", changed_at: float = NOW) -> Revocation:
    return Revocation(Target.CALLS_OF_SERVICE, name, Origin.OPERATOR, STOPPED, changed_at)


def is_stopped(revocations: RevocationList) -> bool:
    return revocations.stopped_at(Target.CALLS_OF_SERVICE, "leave") is not None


def shared_redis(server: RedisProcess) -> SharedRedis:
    redis = SharedRedis(Secret(server.url), audience="https://agent.example")
    redis.seconds = 0.05
    return redis


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "revocations.sqlite")
    url: str = request.getfixturevalue("postgres").url
    return url


def store_at(place: str) -> DatabaseStore:
    is_url = place.startswith("postgresql:")
    return database_store(None if is_url else Path(place), Secret(place) if is_url else None, None)


@pytest.fixture(params=["file", "postgres", "redis"])
async def reports(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """Each place of reports."""
    async with AsyncExitStack() as opened:
        if request.param == "redis":
            redis = shared_redis(request.getfixturevalue("redis"))
            opened.push_async_callback(redis.aclose)
            yield RedisReports(redis, lambda: NOW)
            return
        is_file = request.param == "file"
        store = store_at(str(tmp_path / "file") if is_file else request.getfixturevalue("postgres").url)
        opened.push_async_callback(store.aclose)
        yield DatabaseReports(store.database, lambda: NOW, shared=not is_file)


async def test_report_of_each_process_is_read_for_its_stop_alone(reports: StopReports) -> None:
    first, second = StopReport([APPLIES], {"leave": ["leave_apply"]}), StopReport()
    await reports.put(stop_of(), "first", first)
    await reports.put(stop_of(), "second", second)
    assert await reports.of(stop_of()) == {"first": first, "second": StopReport([])}
    assert await reports.of(stop_of(changed_at=NOW + 1)) == {}
    assert await reports.of(stop_of("expenses")) == {}


async def test_later_report_of_a_process_replaces_the_one_before(reports: StopReports) -> None:
    await reports.put(stop_of(), "first", StopReport([APPLIES]))
    await reports.put(stop_of(), "first", StopReport([]))
    assert await reports.of(stop_of()) == {"first": StopReport([])}


async def test_processes_are_known_until_they_record_their_end_or_an_hour_has_passed(
    reports: StopReports,
) -> None:
    for process_id, seconds_ago in (("first", 0.0), ("second", 40.0), ("third", 3_601.0), ("fourth", 5.0)):
        await replace(reports, clock=lambda ago=seconds_ago: NOW + 100_000.0 - ago).seen(process_id)
    await reports.gone("fourth")
    now = replace(reports, clock=lambda: NOW + 100_000.0)
    assert await now.processes() == {"first": 0.0, "second": 40.0}


async def test_process_is_forgotten_a_day_later(reports: StopReports) -> None:
    await reports.seen("first")
    await replace(reports, clock=lambda: NOW + 86_401.0).seen("second")
    assert await reports.processes() == {"second": 0.0}


async def test_report_of_an_earlier_version_has_no_tools(tmp_path: Path) -> None:
    store = store_at(str(tmp_path / "file"))
    reports = DatabaseReports(store.database, lambda: NOW, shared=False)
    await reports.put(stop_of(), "first", StopReport())
    await store.database.write(lambda: query("UPDATE stop_reports SET calls = '[]'"))
    assert await reports.of(stop_of()) == {"first": StopReport([])}
    await store.aclose()


async def test_report_is_removed_a_day_later(place: str) -> None:
    store = store_at(place)
    for now in (NOW, NOW + 86_401):
        await DatabaseReports(store.database, lambda now=now: now, shared=False).put(
            stop_of(changed_at=now), "p", StopReport([])
        )
    reports = DatabaseReports(store.database, lambda: NOW, shared=False)
    assert await reports.of(stop_of()) == {}
    assert await reports.of(stop_of(changed_at=NOW + 86_401)) == {"p": StopReport([])}
    await store.aclose()


class MemoryReports:
    """Reports of one test."""

    def __init__(self, failure: StoreError | None = None) -> None:
        self.failure = failure
        self.kept: asyncio.Queue[tuple[Revocation, str, Any]] = asyncio.Queue()
        self.living: set[str] = set()
        self.has_heartbeats = False

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.put_nowait((stop, process_id, report))

    async def seen(self, process_id: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.living.add(process_id)

    async def gone(self, process_id: str) -> None:
        self.living.discard(process_id)


class GoingOn(Stops):
    """Stops of a process in which one call goes on."""

    def going_on(self, _stop: Revocation) -> Any:
        return [APPLIES]


async def at_once(_: float) -> None:
    """Without a pause."""


TOOLS = {"leave": ["leave_balance"], "leave/leave.write": ["leave_apply"], "amap": []}


def reporter(revocations: RevocationList, reports: Any, now: float = NOW) -> StopReporter:
    stops = GoingOn(revocations, lambda: now)
    made = StopReporter(stops, reports, "p", clock=lambda: now, tools=lambda: TOOLS, sleep=at_once)
    revocations.listeners.append(made.heard)
    return made


async def test_process_reports_what_goes_on_after_a_stop() -> None:
    revocations, reports = RevocationList(clock=lambda: NOW), MemoryReports()
    made = reporter(revocations, reports)
    revocations.apply(stop_of())
    report = StopReport([APPLIES], {"amap": [], "leave": ["leave_apply", "leave_balance"]})
    assert await reports.kept.get() == (stop_of(), "p", report)
    await made.aclose()


async def forever(_: float) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("has_heartbeats", "living"), [(False, {"p"}), (True, set())])
async def test_process_lives_until_it_ends_unless_its_conversations_say_so(
    has_heartbeats: bool, living: set[str]
) -> None:
    reports = MemoryReports()
    reports.has_heartbeats = has_heartbeats
    made = reporter(RevocationList(), reports)
    made.sleep = forever
    made.start()
    await asyncio.sleep(0)
    assert reports.living == living
    reports.living.add("p")
    await made.aclose()
    assert reports.living == set()


async def test_process_that_cannot_record_that_it_lives_says_so_once(caplog: Any) -> None:
    made = reporter(RevocationList(), MemoryReports(StoreError("read-only")))
    beats: list[float] = []

    async def thrice(seconds: float) -> None:
        beats.append(seconds)
        if len(beats) == 3:
            await forever(seconds)

    made.sleep = thrice
    made.start()
    await until(lambda: len(beats) == 3)
    assert caplog.text.count("idaas-agent stop does not know this process: read-only") == 1
    await made.aclose()


@pytest.mark.parametrize(
    "decision",
    [
        Revocation(Target.USER, "alice", Origin.OPERATOR, NOW, NOW),
        Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, None, NOW),
        stop_of(changed_at=NOW - 61),
    ],
)
async def test_no_report_of_what_is_no_stop_or_was_stopped_before_the_start(decision: Revocation) -> None:
    revocations, reports = RevocationList(clock=lambda: NOW), MemoryReports()
    made = reporter(revocations, reports)
    revocations.apply(decision)
    await asyncio.sleep(0)
    await made.aclose()
    assert reports.kept.empty()


async def test_stop_that_cannot_be_reported_is_in_force_and_in_the_log(caplog: Any) -> None:
    revocations = RevocationList(clock=lambda: NOW)
    made = reporter(revocations, MemoryReports(StoreError("the disk is full")))
    revocations.apply(stop_of())
    await until(lambda: "the disk is full" in caplog.text)
    assert is_stopped(revocations)
    await made.aclose()


async def test_two_replicas_that_share_a_database_refuse_what_is_stopped_and_started(place: str) -> None:
    lists = [RevocationList() for _ in range(2)]
    replicas = [replica(place, revocations) for revocations in lists]
    for process in replicas:
        await process.start()
    await replicas[0].put([stop_of()])
    await until(lambda: is_stopped(lists[1]))
    await replicas[1].put([Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, None, NOW + 1)])
    await until(lambda: not is_stopped(lists[0]))
    for process in replicas:
        await process.aclose()


async def test_stop_holds_after_a_replica_was_killed_between_its_write_and_its_effect(place: str) -> None:
    with tempfile.TemporaryFile() as output:

        def is_following() -> bool:
            output.seek(0)
            return b"follows" in output.read()

        program = ["python", "-m", "tests.agent.operations.revocation.killed_replica", place]
        process = fork(program, dict(os.environ), ROOT, output.fileno())
        await until(is_following)
        store = store_at(place)
        await store.put([stop_of()])
        await asyncio.to_thread(process.join)
        assert process.exitcode == -signal.SIGKILL
    revocations = RevocationList()
    later = replica(place, revocations)
    await later.start()
    assert is_stopped(revocations)
    await later.aclose()
    await store.aclose()


def with_redis(place: str, redis: SharedRedis, revocations: RevocationList) -> RevocationEnforcer:
    return RevocationEnforcer(
        revocations,
        [store_at(place), RedisStore(redis, lasts=False)],
        forget_users=lambda _: 0,
        end_runs=lambda *_: 0,
        audit=AuditTrail(),
        issuer="https://idaas.example",
    )


@pytest.fixture
def hung(redis: RedisProcess) -> Any:
    """A Redis that accepts connections and answers nothing."""
    os.kill(redis.pid, signal.SIGSTOP)
    yield redis
    os.kill(redis.pid, signal.SIGCONT)


async def test_stop_reaches_a_replica_whose_redis_hangs(place: str, hung: RedisProcess) -> None:
    redis, revocations = shared_redis(hung), RevocationList()
    process = with_redis(place, redis, revocations)
    await process.start()
    store = store_at(place)
    await store.put([stop_of()])
    await until(lambda: is_stopped(revocations))
    await process.aclose()
    await redis.aclose()
    await store.aclose()


async def test_stop_outlasts_a_redis_that_was_emptied(place: str, redis: RedisProcess) -> None:
    shared = shared_redis(redis)
    first, second = RevocationList(), RevocationList()
    process = with_redis(place, shared, first)
    await process.start()
    await process.put([stop_of()])
    redis.empty()
    later = with_redis(place, shared, second)
    await later.start()
    assert is_stopped(first)
    assert is_stopped(second)
    for each in (process, later):
        await each.aclose()
    await shared.aclose()
