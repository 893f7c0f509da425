"""A LangGraph server has an agent for each event loop. To `idaas-agent stop` they are one process."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cachetools import FIFOCache

from agent.operations.revocation.stop_reports import StopReport, StopReporter, StopReports
from identity.access_token.revocation import CALLS, Revocation
from identity.access_token.revocation_list import RevocationList

_STOPS: Final = 1_000
"""Stops that are not forgotten: nobody waits for the reports of an older one."""
_LOOK_SECONDS: Final = 0.1
_LOOKS: Final = 600
"""How often a loop looks whether the others have reported a stop: for a minute."""


class ProcessReports:
    """The reporters of all event loops of a process, which report as one.

    A stop that one loop hears is in force in the others before they do anything else, also in one that stands
    still, because it runs only while it has a run. It is reported when every loop that moves has it in force,
    with the calls that go on in any of them. Each loop records that the process lives, and the end of one
    reporter is that of the process. The loops may be of different threads.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._made: Final = secrets.token_hex(16)
        self.sleep: Final = sleep
        self._lock = Lock()
        self._hears: dict[asyncio.AbstractEventLoop, Callable[[Revocation], object]] = {}
        """What each loop does with a stop that another one has in force."""
        self._said: FIFOCache[Revocation, dict[asyncio.AbstractEventLoop, StopReport]] = FIFOCache(_STOPS)
        self._has_ended = False

    @property
    def id(self) -> str:
        """Differs in each worker that was forked after this module was imported."""
        return f"{self._made}-{os.getpid()}"

    def join(
        self, reporter: StopReporter, revocations: RevocationList, hear: Callable[[Revocation], object]
    ) -> None:
        """Makes `reporter`, of an agent of the running event loop, report for the process. `revocations` are
        those of the agent, and `hear` puts one into force that another loop has.
        """
        loop = asyncio.get_running_loop()
        reporter.reports = _LoopReports(self, loop, reporter.reports)
        reporter.process_id = self.id
        reporter.is_agent = False  # the server executes the runs, so that no conversation has a heartbeat
        with self._lock:
            self._forget_closed()
            self._hears[loop] = hear
            self._has_ended = False
        revocations.listeners.append(self._pass_on)

    def say(self, loop: asyncio.AbstractEventLoop, stop: Revocation, report: StopReport) -> None:
        """The stop is in force in `loop`."""
        with self._lock:
            self._said.setdefault(stop, {})[loop] = report

    def joined(self, stop: Revocation) -> StopReport | None:
        """The report of the process; `None`: the stop is not in force in each loop yet."""
        with self._lock:
            said = self._said.get(stop, {})
            moving = {loop for loop in self._hears if loop.is_running()}
            return _merged([*said.values()]) if moving <= said.keys() else None

    def end(self) -> None:
        """The process has ended: it is not recorded any more that it lives."""
        with self._lock:
            self._has_ended = True

    @property
    def has_ended(self) -> bool:
        """Whether one of the reporters has ended, and none has begun since."""
        return self._has_ended

    def _pass_on(self, decision: Revocation) -> None:
        """A listener, in one of the loops: the others apply `decision` as the next thing that they do, unless
        they know it.
        """
        if decision.target not in CALLS:
            return
        here = asyncio.get_running_loop()
        with self._lock:
            self._forget_closed()
            others = {loop: hear for loop, hear in self._hears.items() if loop is not here}
        for loop, hear in others.items():
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(hear, decision)

    def _forget_closed(self) -> None:
        self._hears = {loop: hear for loop, hear in self._hears.items() if not loop.is_closed()}


def _merged(reports: list[StopReport]) -> StopReport:
    calls = [call for report in reports for call in report.calls]
    told = [report.tools for report in reports if report.tools is not None]
    tools: dict[str, set[str]] = {}
    for services in told:
        for service, names in services.items():
            tools.setdefault(service, set()).update(names)
    known = {service: sorted(names) for service, names in tools.items()}
    return StopReport(sorted(calls, key=lambda call: call.began_at), known if told else None)


@dataclass(frozen=True, slots=True)
class _LoopReports:
    """The `StopReports` of one event loop of the process."""

    process: ProcessReports
    loop: asyncio.AbstractEventLoop
    kept: StopReports
    has_heartbeats: bool = field(init=False, default=False)

    async def put(self, stop: Revocation, process_id: str, report: StopReport) -> None:
        """Waits for the other loops, a minute at most; without them the process has not answered."""
        self.process.say(self.loop, stop, report)
        for _ in range(_LOOKS):
            joined = self.process.joined(stop)
            if joined is not None:
                await self.kept.put(stop, process_id, joined)
                return
            await self.process.sleep(_LOOK_SECONDS)

    async def of(self, stop: Revocation) -> Mapping[str, StopReport]:
        return await self.kept.of(stop)

    async def seen(self, process_id: str) -> None:
        if not self.process.has_ended:
            await self.kept.seen(process_id)
        if self.process.has_ended:  # meanwhile, in another thread
            await self.kept.gone(process_id)

    async def gone(self, process_id: str) -> None:
        self.process.end()
        await self.kept.gone(process_id)

    async def processes(self) -> Mapping[str, float]:
        return await self.kept.processes()
