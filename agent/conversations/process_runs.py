"""Which process executes which run, and the end of the runs whose process stopped."""

from collections.abc import Callable, Collection
from typing import Final

from agent.conversations import run_record
from agent.conversations.database.database import Database, Statement, Transaction, Value, query
from agent.conversations.transcript import ThreadKey, Transcript

_GRACE_SECONDS: Final = 30.0
"""How long a run of a living process may be unknown to it: it begins here before it begins there."""
_FORGOTTEN_SECONDS: Final = 86_400.0
_RUNS: Final = "SELECT run_id FROM threads WHERE status = 'running' AND process_id = ?"


def seen(process_id: str, now: float) -> Statement:
    """Records that the process lives."""
    return Statement(
        "INSERT INTO processes (id, seen_at) VALUES (?, ?)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        (process_id, now),
    )


class ProcessRuns:
    """The runs of all owners. Raises what `Database` raises.

    The transcript of a run that is interrupted is completed in the same transaction, so that the next run of
    the thread finds it whole. Messages that cannot be read are not completed.
    """

    def __init__(self, database: Database, transcript: Transcript, clock: Callable[[], float]) -> None:
        self._database = database
        self._transcript = transcript
        self._clock = clock

    async def heartbeat(self, process_id: str, run_ids: Collection[str]) -> None:
        """Records that the process lives and executes `run_ids`. Its other runs are `interrupted` when they
        have been unknown for half a minute.

        One row is written, whatever the number of runs.
        """
        now = self._clock()

        def work() -> Transaction[None]:
            yield [seen(process_id, now)]
            yield from query("DELETE FROM processes WHERE seen_at < ?", now - _FORGOTTEN_SECONDS)
            rows = yield from query(f"{_RUNS} AND begun_at < ?", process_id, now - _GRACE_SECONDS)
            yield from self._interrupt_runs(process_id, {run_id for (run_id,) in rows} - set(run_ids))

        await self._database.write(work)

    async def interrupt(self, process_id: str, run_ids: Collection[str]) -> None:
        """Interrupts the runs `run_ids` that the process executes, as the database has it. The others
        cost nothing.
        """

        def work() -> Transaction[None]:
            rows = yield from query(_RUNS, process_id)
            yield from self._interrupt_runs(process_id, {run_id for (run_id,) in rows}.intersection(run_ids))

        await self._database.write(work)

    async def runs_of(self, process_id: str) -> set[str]:
        """The ids of the process's runs, without those of deleted threads. One that it executes, and that is
        missing, was ended by another.
        """
        rows = await self._database.read(lambda: query(f"{_RUNS} AND deleted_at IS NULL", process_id))
        return {run_id for (run_id,) in rows}

    async def executing(self, process_id: str) -> dict[str, float | None]:
        """The other processes whose runs are going on, and when each was seen last; `None`: never."""
        sql = (
            "SELECT DISTINCT threads.process_id, processes.seen_at FROM threads"
            " LEFT JOIN processes ON processes.id = threads.process_id"
            " WHERE threads.status = 'running' AND threads.process_id <> ?"
        )
        return dict(await self._database.read(lambda: query(sql, process_id)))

    async def interrupted_of(self, process_id: str, seen_at: float | None) -> None:
        """Marks the runs of a process unless it was seen since `seen_at`: at any other time, which
        is by its own clock. Waits for one that begins a call, which is then seen
        (`agent.conversations.run_fence`).
        """
        unseen = (
            "process_id = ? AND NOT EXISTS"
            " (SELECT 1 FROM processes WHERE processes.id = ? AND processes.seen_at <> ?)"
        )
        since = float("-1e9") if seen_at is None else seen_at
        executed = "SELECT 1 FROM threads WHERE status = 'running' AND process_id = ?"

        def work() -> Transaction[None]:
            yield [Statement(executed, (process_id,), lock=True)]  # what was seen is read after that
            yield from self._interrupt(unseen, process_id, process_id, since)

        await self._database.write(work)

    def _interrupt_runs(self, process_id: str, run_ids: Collection[str]) -> Transaction[None]:
        for run_id in sorted(run_ids):
            yield from self._interrupt("run_id = ? AND process_id = ?", run_id, process_id)

    def _interrupt(self, condition: str, *values: Value) -> Transaction[None]:
        """The runs in progress that fulfil `condition` are `interrupted`."""
        now = self._clock()
        rows = yield from query(
            "UPDATE threads SET status = 'interrupted', process_id = NULL"  # noqa: S608 - constants
            f" WHERE status = 'running' AND {condition} RETURNING key, owner, id, run_id",
            *values,
        )
        for *thread, run_id in rows:
            yield from self._transcript.complete(ThreadKey(*thread), run_id, now)
            yield [run_record.stopped(thread[0], run_id, now)]
