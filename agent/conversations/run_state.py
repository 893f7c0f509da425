"""The state of a thread's run, in transactions: one run at a time, of one process, over all processes.

A run may append only while it is the run of its thread: a process that was silent for too long, and whose run
is therefore `interrupted`, cannot write into a thread that another process continues.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from agent.conversations.database import Transaction, query
from agent.conversations.thread import StoppedRun, ThreadStatus, not_found
from agent.conversations.transcript import ThreadKey
from agent.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.errors import ApprovalError, ThreadBusyError

_GRACE_SECONDS: Final = 30.0
"""How long a run of a living process may be unknown to it: it begins here before it begins there."""
_FORGOTTEN_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class RunKey:
    """The run of a thread."""

    owner: str
    thread_id: str
    run_id: str


def begin(
    run: RunKey, process_id: str, now: float, messages: int, title: bytes | None
) -> Transaction[tuple[ThreadKey, int, bool]]:
    """Makes `run` the run of its thread, which is opened if there is none.

    The thread, the position of the first of `messages` further messages, and whether there may be earlier
    ones. Raises `ThreadBusyError`, `ApprovalError` (`approval_open`) or `ThreadNotFoundError`.
    """
    rows = yield from query(
        "UPDATE threads SET status = 'running', run_id = ?, process_id = ?, begun_at = ?, updated_at = ?,"
        " last_seq = last_seq + ?, title = COALESCE(title, ?)"
        " WHERE owner = ? AND id = ? AND deleted_at IS NULL"
        " AND (status NOT IN ('running', 'paused') OR (status = 'paused' AND run_id = ?))"
        " RETURNING key, last_seq",
        *(run.run_id, process_id, now, now, messages, title, run.owner, run.thread_id, run.run_id),
    )
    if rows:
        [(key, last)] = rows
        return ThreadKey(key, run.owner, run.thread_id), last - messages + 1, True
    rows = yield from query(
        "INSERT INTO threads (owner, id, title, status, run_id, process_id, begun_at, last_seq, created_at,"
        " updated_at) VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, id) DO NOTHING RETURNING key",
        *(run.owner, run.thread_id, title, run.run_id, process_id, now, messages, now, now),
    )
    if rows:
        return ThreadKey(rows[0][0], run.owner, run.thread_id), 1, False
    rows = yield from query(
        "SELECT status, deleted_at FROM threads WHERE owner = ? AND id = ?", run.owner, run.thread_id
    )
    if not rows or rows[0][1] is not None:
        raise not_found()
    if rows[0][0] == "paused":
        raise ApprovalError(GraphCode.APPROVAL_OPEN, "the run of the thread waits for a person")
    raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run of the thread is in progress")


def advance(run: RunKey, messages: int) -> Transaction[tuple[ThreadKey, int]]:
    """Makes room for `messages`: the thread, and the position of the first.

    Raises `ThreadBusyError` if `run` is not the run of its thread any more.
    """
    rows = yield from query(
        "UPDATE threads SET last_seq = last_seq + ?"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status = 'running' RETURNING key, last_seq",
        *(messages, run.owner, run.thread_id, run.run_id),
    )
    if not rows:
        raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run has taken the thread over")
    [(key, last)] = rows
    return ThreadKey(key, run.owner, run.thread_id), last - messages + 1


def end(
    run: RunKey, status: ThreadStatus, now: float, messages: int
) -> Transaction[tuple[ThreadKey, int] | None]:
    """Ends `run` with `status`, and makes room for `messages`; `None` if it was not the thread's any more."""
    rows = yield from query(
        "UPDATE threads SET status = ?, run_id = ?, process_id = NULL, begun_at = NULL, updated_at = ?,"
        " last_seq = last_seq + ?"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status IN ('running', 'paused')"
        " RETURNING key, last_seq",
        *(status, None if status == "idle" else run.run_id, now, messages),
        *(run.owner, run.thread_id, run.run_id),
    )
    if not rows:
        return None
    [(key, last)] = rows
    return ThreadKey(key, run.owner, run.thread_id), last - messages + 1


def heartbeat(process_id: str, run_ids: Collection[str], now: float) -> Transaction[list[StoppedRun]]:
    """Records that a process lives; its runs that are not among `run_ids` are `interrupted`."""
    yield from query(
        "INSERT INTO processes (id, seen_at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen_at = ?",
        *(process_id, now, now),
    )
    rows = yield from query(
        "SELECT key, run_id FROM threads WHERE status = 'running' AND process_id = ? AND begun_at < ?",
        *(process_id, now - _GRACE_SECONDS),
    )
    stopped = []
    for key, run_id in rows:
        if run_id not in run_ids:
            found = yield from query(
                "UPDATE threads SET status = 'interrupted', process_id = NULL"
                " WHERE key = ? AND run_id = ? AND status = 'running' RETURNING owner, id, run_id",
                *(key, run_id),
            )
            stopped += [StoppedRun(*row) for row in found]
    return stopped


def runs_of(process_id: str) -> Transaction[set[str]]:
    """The ids of the process's runs, without those of deleted threads."""
    rows = yield from query(
        "SELECT run_id FROM threads WHERE status = 'running' AND process_id = ? AND deleted_at IS NULL",
        process_id,
    )
    return {run_id for (run_id,) in rows}


def interrupt(before: float) -> Transaction[list[StoppedRun]]:
    """Runs of processes without a heartbeat since `before` are `interrupted`."""
    rows = yield from query(
        "UPDATE threads SET status = 'interrupted', process_id = NULL"
        " WHERE status = 'running' AND begun_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM processes WHERE processes.id = threads.process_id AND processes.seen_at >= ?)"
        " RETURNING owner, id, run_id",
        *(before, before),
    )
    yield from query("DELETE FROM processes WHERE seen_at < ?", before - _FORGOTTEN_SECONDS)
    return [StoppedRun(*row) for row in rows]
