"""Which process executes which run, and the end of the runs whose process stopped."""

from collections.abc import Callable, Collection
from typing import TypeAlias

from agent.conversations import run_record, run_state
from agent.conversations.database.database import Database, Transaction
from agent.conversations.thread import StoppedRun
from agent.conversations.transcript import Complete, Transcript, no_messages

StoppedRuns: TypeAlias = list[StoppedRun]


class ProcessRuns:
    """The runs of all owners. Raises what `Database` raises."""

    def __init__(self, database: Database, transcript: Transcript, clock: Callable[[], float]) -> None:
        self._database = database
        self._transcript = transcript
        self._clock = clock

    async def heartbeat(
        self,
        process_id: str,
        run_ids: Collection[str],
        ended: Collection[str] = (),
        *,
        complete: Complete = no_messages,
    ) -> StoppedRuns:
        """Records that the process lives and executes `run_ids`. Its other runs are `interrupted`: at once if
        they are in `ended`, else when they have been unknown for half a minute.

        One row is written, whatever the number of runs. `complete`: see `interrupted_of`.
        """
        now = self._clock()
        return await self._interrupt(
            lambda: run_state.heartbeat(process_id, run_ids, now, ended), now, complete
        )

    async def runs_of(self, process_id: str) -> set[str]:
        """The ids of the process's runs. One that it executes, and that is missing, was ended by another."""
        return await self._database.read(lambda: run_state.runs_of(process_id))

    async def interrupted(self, before: float, *, complete: Complete = no_messages) -> StoppedRuns:
        """Marks the runs of processes that had no heartbeat since `before`; each is returned once."""
        return await self._interrupt(lambda: run_state.interrupt(before), self._clock(), complete)

    async def executing(self, process_id: str) -> dict[str, float | None]:
        """The other processes whose runs are going on, and when each was seen last; `None`: never."""
        return await self._database.read(lambda: run_state.executing(process_id))

    async def interrupted_of(
        self, process_id: str, seen_at: float | None, *, complete: Complete = no_messages
    ) -> StoppedRuns:
        """Marks the runs of a process unless it was seen since `seen_at`; each is returned once.

        What `complete` makes of the newest messages of each is appended in the same transaction, so that the
        next run of the thread finds it. Messages that cannot be read are not completed.
        """
        return await self._interrupt(
            lambda: run_state.interrupt_of(process_id, seen_at), self._clock(), complete
        )

    async def _interrupt(
        self, interruption: Callable[[], Transaction[StoppedRuns]], now: float, complete: Complete
    ) -> StoppedRuns:
        def work() -> Transaction[StoppedRuns]:
            completed = self._transcript.completed(interruption(), now, complete)
            return (yield from run_record.with_stopped(completed, now))

        return await self._database.write(work)
