"""What processes say of a stop: each records that it lives, and reports what goes on and which tools it has.

`idaas-agent stop` reads it. A report is in the database that has the revocations; where only Redis is shared,
in Redis. Which processes live is there, too, so that the command can name those that say nothing.
"""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any, Final, Protocol

from pydantic import TypeAdapter

from agent.background import end_tasks
from agent.conversations.database.database import Database, Rows, Transaction, Value, query
from agent.conversations.process_runs import seen
from agent.operations.revocation.store import StoreError
from agent.redis import RedisUnavailableError, SharedRedis
from graph.call_steps.stops import CallInProgress, Stops
from identity.access_token.revocation import CALLS, Revocation
from identity.errors import AgentError
from tools.service_name import service_of

_LOG: Final = logging.getLogger("idaas_agent.revocation")
KEPT_SECONDS: Final = 86_400.0
"""How long a report is kept: it has the `sub` of users."""
_ENDING_SECONDS: Final = 0.2
"""From a stop on: calls that can end have ended then."""
_SEEN_SECONDS: Final = 3_600.0
"""A process that was seen before may go on without the database for a while, or has ended."""
_RECENT_SECONDS: Final = 60.0
"""Nobody waits for a report of an older stop, which a process has read at its start."""
_BEAT_SECONDS: Final = 10.0
"""How often a process records that it lives."""
_LONGEST_ID: Final = 80
_LONGEST_REPORT: Final = 1_000_000
"""In characters."""
_GONE_SECONDS: Final = 1.0
"""How long the end of a process waits until that is recorded."""


@dataclass(frozen=True, slots=True)
class StopReport:
    """What one process says of a stop, which it has in force: the calls that go on, and the tools that it
    knows of each service. `None`: it did not tell them.
    """

    calls: Sequence[CallInProgress] = ()
    tools: Mapping[str, Sequence[str]] | None = None


_REPORT: Final = TypeAdapter(StopReport)


class StopReports(Protocol):
    """Keeps the reports of all processes for a day, and which of them live."""

    @property
    def has_heartbeats(self) -> bool:
        """Whether the conversations of an agent record there that it lives."""

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        """The report of a process. Raises `StoreError`."""

    async def of(self, stop: Revocation) -> Mapping[str, StopReport]:
        """What was reported, by the ids of the processes. Raises `StoreError`."""

    async def seen(self, process_id: str) -> None:
        """Records that a process lives. Raises `StoreError`."""

    async def gone(self, process_id: str) -> None:
        """Records that a process has ended, and reports nothing more. Raises `StoreError`."""

    async def processes(self) -> Mapping[str, float]:
        """Those that live, or did not record their end within an hour: seconds since each was seen, by its
        id. The clocks are those of both machines. Raises `StoreError`.
        """


@dataclass(frozen=True, slots=True)
class DatabaseReports:
    """In the table `stop_reports`, beside that of revocations. Users' `sub` is in clear. `shared`: it is the
    PostgreSQL of the conversations, which knows the processes.
    """

    database: Database
    clock: Callable[[], float]
    _: KW_ONLY
    shared: bool

    @property
    def has_heartbeats(self) -> bool:
        return self.shared

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        now = self.clock()

        def work() -> Transaction[None]:
            yield from query("DELETE FROM stop_reports WHERE reported_at < ?", now - KEPT_SECONDS)
            yield from query(
                "INSERT INTO stop_reports (stop, process_id, reported_at, calls) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (stop, process_id) DO UPDATE"
                " SET reported_at = excluded.reported_at, calls = excluded.calls",
                *(_key(stop), process_id, now, _to_json(report)),
            )

        await self._write(work)

    async def of(self, stop: Revocation) -> Mapping[str, StopReport]:
        sql = "SELECT process_id, calls FROM stop_reports WHERE stop = ?"
        rows = await self._read(sql, _key(stop))
        return _reports(rows)

    async def seen(self, process_id: str) -> None:
        now = self.clock()

        def work() -> Transaction[None]:
            yield from query("DELETE FROM processes WHERE seen_at < ?", now - KEPT_SECONDS)
            yield [seen(process_id, now)]

        await self._write(work)

    async def exists(self) -> bool:
        """Whether there is a database: reading one that is a file would create it. Raises `StoreError`."""
        try:
            return await self.database.exists()
        except AgentError as error:
            raise StoreError(error.detail) from None

    async def gone(self, process_id: str) -> None:
        await self._write(lambda: query("DELETE FROM processes WHERE id = ?", process_id))

    async def processes(self) -> Mapping[str, float]:
        now = self.clock()
        rows = await self._read("SELECT id, seen_at FROM processes WHERE seen_at >= ?", now - _SEEN_SECONDS)
        return {
            process_id: max(now - seen_at, 0.0)
            for process_id, seen_at in rows
            if is_process_id(process_id) and isinstance(seen_at, float)
        }

    async def _write(self, work: Callable[[], Transaction[Any]]) -> None:
        try:
            await self.database.write(work)
        except AgentError as error:
            raise StoreError(error.detail) from None

    async def _read(self, sql: str, *values: Value) -> Rows:
        try:
            return await self.database.read(lambda: query(sql, *values))
        except AgentError as error:
            raise StoreError(error.detail) from None


@dataclass(frozen=True, slots=True)
class RedisReports:
    """In a hash for each stop, which Redis forgets after a day. Users' `sub` is in clear. The processes that
    live are in a sorted set, by the times at which they were seen.
    """

    redis: SharedRedis
    clock: Callable[[], float]
    has_heartbeats = False

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        name = self._name(stop)
        await self._done(lambda redis: redis.hset(name, process_id, _to_json(report)))
        await self._done(lambda redis: redis.expire(name, int(KEPT_SECONDS)))

    async def of(self, stop: Revocation) -> Mapping[str, StopReport]:
        reports = await self._done(lambda redis: redis.hgetall(self._name(stop)))
        return _reports(
            (process_id.decode(errors="replace"), report) for process_id, report in reports.items()
        )

    async def seen(self, process_id: str) -> None:
        await self.seen_at(process_id, self.clock())

    async def seen_at(self, process_id: str, seen_at: float) -> None:
        """Records that a process lived then. Raises `StoreError`."""
        before = self.clock() - KEPT_SECONDS
        await self._done(lambda redis: redis.zremrangebyscore(self._processes, 0, before))
        await self._done(lambda redis: redis.zadd(self._processes, {process_id: seen_at}))

    async def gone(self, process_id: str) -> None:
        await self._done(lambda redis: redis.zrem(self._processes, process_id))

    async def processes(self) -> Mapping[str, float]:
        now = self.clock()
        later = now - _SEEN_SECONDS
        rows = await self._done(
            lambda redis: redis.zrangebyscore(self._processes, later, "+inf", withscores=True)
        )
        return {process_id.decode(errors="replace"): max(now - seen_at, 0.0) for process_id, seen_at in rows}

    @property
    def _processes(self) -> str:
        return self.redis.name("stop_processes")

    def _name(self, stop: Revocation) -> str:
        return self.redis.name("stop_reports", _key(stop))

    async def _done(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what Redis returns
        try:
            return await self.redis.use(operation)
        except RedisUnavailableError as error:
            raise StoreError(f"Redis failed ({error})") from None


@dataclass(slots=True)
class StopReporter:
    """Reports what goes on in this process, shortly after each stop. One that cannot be reported is in force
    all the same: a line in the log. From `start` on, the process records that it lives, and at its end that
    it has ended.

    `tools` are those that it knows when it reports, by the nodes of their services. `is_agent`: it has the
    heartbeat of conversations.
    """

    stops: Stops
    reports: StopReports
    process_id: str
    _: KW_ONLY
    clock: Callable[[], float]
    tools: Callable[[], Mapping[str, Collection[str]]] = dict
    is_agent: bool = True
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _tasks: set[asyncio.Task[None]] = field(init=False, default_factory=set)
    _lives: asyncio.Task[None] | None = field(init=False, default=None)

    def heard(self, revocation: Revocation) -> None:
        """A listener of the revocations in force: begins to report a stop, and does not wait."""
        if revocation.target not in CALLS or revocation.until is None:
            return
        if self.clock() - revocation.changed_at > _RECENT_SECONDS:
            return
        task = asyncio.create_task(self._report(revocation), name="stop report")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start(self) -> None:
        """Begins to record that this process lives, and does not wait."""
        self._lives = asyncio.create_task(self._beat(), name="stop processes")

    async def aclose(self) -> None:
        """Reports no more."""
        await end_tasks(self._lives, *self._tasks)
        if self._lives is not None:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_GONE_SECONDS):
                    await self.reports.gone(self.process_id)

    async def _report(self, stop: Revocation) -> None:
        await self.sleep(_ENDING_SECONDS)
        report = StopReport(self.stops.going_on(stop), _by_service(self.tools()))
        try:
            await self.reports.put(stop, self.process_id, report)
        except StoreError as error:
            _LOG.warning("what goes on after a stop is not reported: %s", error)

    async def _beat(self) -> None:
        if self.is_agent and self.reports.has_heartbeats:
            return  # one of its own would hide that the runs have none
        is_known = True
        while True:
            try:
                await self.reports.seen(self.process_id)
                is_known = True
            except StoreError as error:
                if is_known:
                    _LOG.warning("idaas-agent stop does not know this process: %s", error)
                is_known = False
            await self.sleep(_BEAT_SECONDS)


def _key(stop: Revocation) -> str:
    """A stop, and not an earlier or later one of the same calls."""
    return f"{stop.target.value} {stop.changed_at!r} {stop.name}"


def _to_json(report: StopReport) -> str:
    members = {"calls": [asdict(call) for call in report.calls], "tools": report.tools}
    return json.dumps(members, separators=(",", ":"))


def is_process_id(value: object) -> bool:
    """Whether it can be the id of a process: who writes to a file of SQLite may put anything there."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()


def _reports(rows: Iterable[Sequence[Any]]) -> Mapping[str, StopReport]:
    """Those that can be read. A process whose report cannot be read has not answered."""
    reports = {}
    for process_id, text in rows:
        report = _from_json(text)
        if report is not None and is_process_id(process_id):
            reports[process_id] = report
    return reports


def _from_json(text: object) -> StopReport | None:
    """`None`: no process has written this."""
    if not isinstance(text, str | bytes) or len(text) > _LONGEST_REPORT:
        return None
    try:
        members = json.loads(text)
        if isinstance(members, list):  # of a process that tells no tools
            members = {"calls": members, "tools": None}
        report = _REPORT.validate_python(members)
    except (ValueError, RecursionError):
        return None
    return report if all(math.isfinite(call.began_at) for call in report.calls) else None


def _by_service(tools: Mapping[str, Collection[str]]) -> Mapping[str, Sequence[str]]:
    """The tools of nodes, by the services of the nodes."""
    services: dict[str, set[str]] = {}
    for node, names in tools.items():
        services.setdefault(service_of(node), set()).update(names)
    return {service: sorted(names) for service, names in services.items()}
