"""The heartbeat of a process that executes runs, and the end of runs whose process has none."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agent.conversations.live.live_runs import LiveRuns
from agent.conversations.runs.ended_run import EndedRuns
from agent.conversations.runs.run_parts import RunParts
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
BEAT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 45.0
"""Without a heartbeat for so long, a process is considered stopped. Its runs can then be continued."""


class Heartbeat:
    """Begins with the first use of conversations: before that, the database is not opened."""

    def __init__(
        self,
        parts: RunParts,
        live: LiveRuns,
        ended_runs: EndedRuns,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._parts = parts
        self._live = live
        self._ended_runs = ended_runs
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts it, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._beats(), name="heartbeat of runs")

    async def aclose(self) -> None:
        """Stops it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def beat(self) -> None:
        """Records that this process lives, cancels its runs that another process has ended, and completes the
        transcripts of runs whose process stopped.
        """
        threads, now, process_id = self._parts.threads, self._parts.clock(), self._parts.process_id
        executed = self._live.ids()
        stopped = await threads.heartbeat(process_id, executed)
        if executed and (ended := executed - await threads.runs_of(process_id)):
            self._live.cancel(ended)
        stopped += await threads.interrupted(now - SILENT_SECONDS)
        for run in stopped:
            await self._ended_runs.complete_stopped(run)

    async def _beats(self) -> None:
        while True:
            try:
                await self.beat()
            except AgentError as error:
                _LOG.warning("the heartbeat of runs failed: %s", error.detail)
            except Exception as error:  # noqa: BLE001 - else the task would end unnoticed
                _LOG.warning("the heartbeat of runs failed unexpectedly (%s)", type(error).__name__)
            await self._sleep(BEAT_SECONDS)
