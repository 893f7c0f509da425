"""Reports in Redis, with those of the applications of each machine.

With `REDIS_URL` and without PostgreSQL, agents report in Redis. An application that follows
`REVOCATIONS_FILE` has no Redis: an agent of its machine writes a stop to the file, and passes on what the
application reports there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from agent.operations.revocation.stop_reports import DatabaseReports, RedisReports, StopReport
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Revocation

_LOOK_SECONDS: Final = 0.1
_LOOKS: Final = 100
"""How often an agent looks for the reports of the applications: for ten seconds."""
_MOST_APPLICATIONS: Final = 1_000
_APPLICATION: Final = "application "
"""Begins the id of an application in Redis: it is never that of an agent."""


@dataclass(slots=True)
class RelayedReports:
    """`StopReports` in Redis, where an agent also puts those of `local`, the file of its machine.

    The processes of a file are passed on as often as the agent records that it lives, and their reports of a
    stop within a tenth of a second, for ten seconds. What is read is of Redis and of this machine's file,
    which is created by nobody here. While a file cannot be read, or has more than 1,000 processes, those that
    it had still count as living. Who may write to a file speaks for applications alone: never for an agent.
    """

    shared: RedisReports
    local: DatabaseReports
    _: KW_ONLY
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    has_heartbeats: bool = field(init=False, default=False)
    _passed_on: set[str] = field(init=False, default_factory=set)
    """The applications that were passed on as living."""

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        await self.shared.put(stop, process_id, report)
        answered: set[str] = set()
        for _ in range(_LOOKS):
            with suppress(StoreError):
                applications = await self._applications()
                await self._pass_on_reports(stop, applications.keys() - answered, answered)
                if applications.keys() <= answered:
                    return
            await self.sleep(_LOOK_SECONDS)

    async def of(self, stop: Revocation) -> Mapping[str, StopReport]:
        return {**await self._local_reports(stop), **await self.shared.of(stop)}

    async def seen(self, process_id: str) -> None:
        await self.shared.seen(process_id)
        applications = await self._applications()
        now = self.shared.clock()
        for application, seconds_ago in applications.items():
            await self.shared.seen_at(application, now - seconds_ago)
        for application in self._passed_on - applications.keys():
            await self.shared.gone(application)
        self._passed_on = {*applications}

    async def gone(self, process_id: str) -> None:
        await self.shared.gone(process_id)

    async def processes(self) -> Mapping[str, float]:
        return {**await self.shared.processes(), **await self._applications()}

    async def _pass_on_reports(self, stop: Revocation, awaited: Set[str], answered: set[str]) -> None:
        reports = await self._local_reports(stop)
        for application in awaited & reports.keys():
            await self.shared.put(stop, application, reports[application])
            answered.add(application)

    async def _applications(self) -> Mapping[str, float]:
        """Those of the file, and how many seconds ago each was seen. Raises `StoreError`."""
        if not await self.local.exists():
            return {}
        processes = await self.local.processes()
        if len(processes) > _MOST_APPLICATIONS:
            raise StoreError(f"REVOCATIONS_FILE has more than {_MOST_APPLICATIONS:,} processes")
        return {_APPLICATION + process_id: seconds for process_id, seconds in processes.items()}

    async def _local_reports(self, stop: Revocation) -> Mapping[str, StopReport]:
        """By the ids in Redis. Raises `StoreError`."""
        if not await self.local.exists():
            return {}
        reports = await self.local.of(stop)
        return {_APPLICATION + process_id: report for process_id, report in reports.items()}
