"""What goes on although it was stopped: each process reports its calls, and `idaas-agent stop` reads them.

A report is in the database that has the revocations. Where only Redis is shared, it is in Redis.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any, Final, Protocol

from agent.background import end_tasks
from agent.conversations.database.database import Database, Rows, Transaction, Value, query
from agent.operations.revocation.store import StoreError
from agent.redis import RedisUnavailableError, SharedRedis
from graph.call_steps.stops import CallInProgress, Stops
from identity.access_token.revocation import CALLS, Revocation
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.revocation")
KEPT_SECONDS: Final = 86_400.0
"""How long a report is kept: it has the `sub` of users."""
_ENDING_SECONDS: Final = 0.2
"""From a stop on: calls that can end have ended then."""
_SEEN_SECONDS: Final = 3_600.0
"""A process that was seen before may go on without the database for a while, or has ended."""
_RECENT_SECONDS: Final = 60.0
"""Nobody waits for a report of an older stop, which a process has read at its start."""


class StopReports(Protocol):
    """Keeps the reports of all processes for a day."""

    async def put(self, stop: Revocation, process_id: str, calls: Sequence[CallInProgress]) -> None:
        """What goes on in a process, which has the stop in force. Raises `StoreError`."""

    async def of(self, stop: Revocation) -> Mapping[str, Sequence[CallInProgress]]:
        """What was reported, by the ids of the processes. Raises `StoreError`."""

    async def processes(self) -> Mapping[str, float] | None:
        """Those that are to report, or ended within an hour: seconds since each was seen, by its id. The
        clocks are those of both machines. `None`: not known. Raises `StoreError`.
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

    async def put(self, stop: Revocation, process_id: str, calls: Sequence[CallInProgress]) -> None:
        now = self.clock()

        def work() -> Transaction[None]:
            yield from query("DELETE FROM stop_reports WHERE reported_at < ?", now - KEPT_SECONDS)
            yield from query(
                "INSERT INTO stop_reports (stop, process_id, reported_at, calls) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (stop, process_id) DO UPDATE"
                " SET reported_at = excluded.reported_at, calls = excluded.calls",
                *(_key(stop), process_id, now, _to_json(calls)),
            )

        try:
            await self.database.write(work)
        except AgentError as error:
            raise StoreError(error.detail) from None

    async def of(self, stop: Revocation) -> Mapping[str, Sequence[CallInProgress]]:
        sql = "SELECT process_id, calls FROM stop_reports WHERE stop = ?"
        rows = await self._read(sql, _key(stop))
        return {process_id: _from_json(calls) for process_id, calls in rows}

    async def processes(self) -> Mapping[str, float] | None:
        if not self.shared:
            return None
        now = self.clock()
        rows = await self._read("SELECT id, seen_at FROM processes WHERE seen_at >= ?", now - _SEEN_SECONDS)
        return {process_id: max(now - seen_at, 0.0) for process_id, seen_at in rows}

    async def _read(self, sql: str, *values: Value) -> Rows:
        try:
            return await self.database.read(lambda: query(sql, *values))
        except AgentError as error:
            raise StoreError(error.detail) from None


@dataclass(frozen=True, slots=True)
class RedisReports:
    """In a hash for each stop, which Redis forgets after a day. Users' `sub` is in clear."""

    redis: SharedRedis

    async def put(self, stop: Revocation, process_id: str, calls: Sequence[CallInProgress]) -> None:
        name = self._name(stop)
        await self._done(lambda redis: redis.hset(name, process_id, _to_json(calls)))
        await self._done(lambda redis: redis.expire(name, int(KEPT_SECONDS)))

    async def of(self, stop: Revocation) -> Mapping[str, Sequence[CallInProgress]]:
        reports = await self._done(lambda redis: redis.hgetall(self._name(stop)))
        return {process_id.decode(): _from_json(calls) for process_id, calls in reports.items()}

    async def processes(self) -> Mapping[str, float] | None:
        return None

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
    all the same: a line in the log.
    """

    stops: Stops
    reports: StopReports
    process_id: str
    _: KW_ONLY
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _tasks: set[asyncio.Task[None]] = field(init=False, default_factory=set)

    def heard(self, revocation: Revocation) -> None:
        """A listener of the revocations in force: begins to report a stop, and does not wait."""
        if revocation.target not in CALLS or revocation.until is None:
            return
        if self.clock() - revocation.changed_at > _RECENT_SECONDS:
            return
        task = asyncio.create_task(self._report(revocation), name="stop report")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Reports no more."""
        await end_tasks(*self._tasks)

    async def _report(self, stop: Revocation) -> None:
        await self.sleep(_ENDING_SECONDS)
        try:
            await self.reports.put(stop, self.process_id, self.stops.going_on(stop))
        except StoreError as error:
            _LOG.warning("what goes on after a stop is not reported: %s", error)


def _key(stop: Revocation) -> str:
    """A stop, and not an earlier or later one of the same calls."""
    return f"{stop.target.value} {stop.changed_at!r} {stop.name}"


def _to_json(calls: Sequence[CallInProgress]) -> str:
    return json.dumps([asdict(call) for call in calls], separators=(",", ":"))


def _from_json(text: str | bytes) -> Sequence[CallInProgress]:
    """Raises `StoreError` for what no process has written."""
    try:
        return [CallInProgress(**members) for members in json.loads(text)]
    except (ValueError, TypeError):
        raise StoreError("a report of a stop cannot be read") from None
