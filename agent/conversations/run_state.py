"""The state of a thread's run: one run at a time, of one process, over all processes.

A run may append only while it is the run of its thread: a process that was silent for too long, and whose run
is therefore `interrupted`, cannot write into a thread that another process continues.

A change and what it appends are sent together, before it is known whether the change was made. Each change
leaves its own number in the thread (`Change`), and only a thread with this number receives the messages.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from agent.conversations.database.database import Statement, Transaction, Value, query
from agent.conversations.storage_limits import ROW_BYTES, UNLIMITED, StorageLimits
from agent.conversations.thread import MessageStoredError, StoppedRun, Thread, ThreadStatus, not_found
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.errors import ApprovalError, ThreadBusyError

_GRACE_SECONDS: Final = 30.0
"""How long a run of a living process may be unknown to it: it begins here before it begins there."""
_FORGOTTEN_SECONDS: Final = 86_400.0
_Sealed: TypeAlias = bytes | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a thread by its run, at a time in unix seconds, with a number of appended messages, and
    what they add to the thread's `bytes`.
    """

    owner: str
    thread_id: str
    run_id: str
    now: float
    messages: int = 0
    bytes: int = 0
    labels: _Sealed = None
    """Sealed, those of what the conversation has read; `None`: unchanged."""
    number: int = field(default_factory=lambda: secrets.randbits(62))


def lock(change: Change) -> Statement:
    """Locks the thread, so that the statements after it see all that was stored in it before; its key, and
    whether it has a title.
    """
    return Statement(
        "SELECT key, title IS NOT NULL FROM threads WHERE owner = ? AND id = ?",
        (change.owner, change.thread_id),
        lock=True,
    )


def claim(
    change: Change,
    process_id: str,
    title: bytes | None,
    sent: Collection[bytes] = (),
    unchanged: Thread | None = None,
    limits: StorageLimits = UNLIMITED,
) -> Statement:
    """Makes the run that of its thread: a row with the thread's key, if it may be.

    It may not if the thread has one of the messages `sent`, is not as `unchanged` any more, or if one of
    `limits` would be exceeded. A run that waited may go on in any case.
    """
    values: list[Value] = [*sent]
    conditions = f" AND NOT EXISTS (SELECT 1 {_stored('threads.key', sent)})" if sent else ""
    if unchanged is not None:
        conditions += " AND status = ? AND change = ?"
        values += [unchanged.status, unchanged.change]
    of_thread, room = limits.of_thread(change.messages, change.bytes)
    of_user, space = limits.of_user(change.owner, change.bytes, threads=0)
    if of_thread or of_user:
        conditions += f" AND (status = 'paused' OR (1 = 1{of_thread}{of_user}))"
        values += [*room, *space]
    return Statement(
        "UPDATE threads SET status = 'running', run_id = ?, process_id = ?, begun_at = ?, updated_at = ?,"  # noqa: S608 - constants
        " change = ?, last_seq = last_seq + ?, bytes = bytes + ?, title = COALESCE(title, ?)"
        " WHERE owner = ? AND id = ? AND deleted_at IS NULL"
        " AND (status NOT IN ('running', 'paused') OR (status = 'paused' AND run_id = ?))"
        f"{conditions} RETURNING key, labels",
        (
            *(change.run_id, process_id, change.now, change.now, change.number, change.messages),
            *(change.bytes, title, change.owner, change.thread_id, change.run_id, *values),
        ),
    )


def _stored(key: str, sent: Collection[bytes]) -> str:
    return f"FROM messages WHERE thread_key = {key} AND sent IN ({', '.join('?' * len(sent))})"


def creation(
    change: Change, process_id: str, title: bytes | None, limits: StorageLimits = UNLIMITED
) -> Statement:
    """Opens the thread with its run: a row, unless there is the thread already, or one of `limits` would be
    exceeded.
    """
    of_user, space = limits.of_user(change.owner, change.bytes, threads=1)
    return Statement(
        "INSERT INTO threads (owner, id, title, status, run_id, process_id, begun_at, change, last_seq,"
        " bytes, created_at, updated_at) SELECT ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?"
        f" WHERE 1 = 1{of_user} ON CONFLICT (owner, id) DO NOTHING RETURNING key",
        (
            *(change.owner, change.thread_id, title, change.run_id, process_id, change.now, change.number),
            *(change.messages, ROW_BYTES + change.bytes, change.now, change.now, *space),
        ),
    )


def refusal(
    change: Change, sent: Mapping[bytes, str], limits: StorageLimits, unchanged: Thread | None = None
) -> Transaction[NoReturn]:
    """Raises the reason why the run cannot be that of its thread: `MessageStoredError` if the thread has one
    of the messages `sent`, `ThreadBusyError`, `ApprovalError` (`approval_open`), `StorageLimitError` or
    `ThreadNotFoundError`.
    """
    rows = yield from query(
        "SELECT key, status, deleted_at FROM threads WHERE owner = ? AND id = ?",
        *(change.owner, change.thread_id),
    )
    if rows and rows[0][2] is not None:
        raise not_found()
    key, status, _ = rows[0] if rows else (None, None, None)
    if sent:
        stored = yield from query(f"SELECT sent, run_id {_stored('?', sent)}", key, *sent)
        if stored:
            raise MessageStoredError({sent[digest]: run_id for digest, run_id in stored})
    if status == "paused":
        raise ApprovalError(GraphCode.APPROVAL_OPEN, "the run of the thread waits for a person")
    if status != "running" and (unchanged is None or unchanged.status == status):
        yield from limits.check(change.owner, change.thread_id, change.messages, change.bytes)
    raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run of the thread is in progress")


def advance(change: Change) -> Statement:
    """Makes room for the messages: a row, if the run is still that of its thread."""
    return Statement(
        "UPDATE threads SET last_seq = last_seq + ?, bytes = bytes + ?, change = ?,"
        " labels = COALESCE(?, labels)"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status = 'running' RETURNING key",
        (
            *(change.messages, change.bytes, change.number, change.labels),
            *(change.owner, change.thread_id, change.run_id),
        ),
    )


def room_after(change: Change) -> Statement:
    """Makes room for the messages that complete an `interrupted` run."""
    return Statement(
        "UPDATE threads SET last_seq = last_seq + ?, bytes = bytes + ?, change = ?"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status = 'interrupted'",
        (*(change.messages, change.bytes, change.number), *(change.owner, change.thread_id, change.run_id)),
    )


def end(change: Change, status: ThreadStatus) -> Statement:
    """Ends the run, and makes room for its last messages: a row, if it was that of its thread."""
    return Statement(
        "UPDATE threads SET status = ?, process_id = NULL, begun_at = NULL, updated_at = ?, change = ?,"
        " last_seq = last_seq + ?, bytes = bytes + ?, labels = COALESCE(?, labels)"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status IN ('running', 'paused') RETURNING key",
        (
            *(status, change.now, change.number, change.messages, change.bytes, change.labels),
            *(change.owner, change.thread_id, change.run_id),
        ),
    )


def rest(key: int, now: float) -> Transaction[None]:
    """The thread has no latest run any more: what it shows is older.

    Raises `ThreadBusyError` while a run is in progress, or waits for a person.
    """
    rows = yield from query(
        "UPDATE threads SET status = 'idle', run_id = NULL, change = ?, updated_at = ?"
        " WHERE key = ? AND status NOT IN ('running', 'paused') RETURNING 1",
        *(secrets.randbits(62), now, key),
    )
    if not rows:
        raise ThreadBusyError(AgentCode.THREAD_BUSY, "a run of the thread is in progress, or waits")


def heartbeat(
    process_id: str, run_ids: Collection[str], now: float, ended: Collection[str] = ()
) -> Transaction[list[StoppedRun]]:
    """Records that a process lives; its runs that are not among `run_ids` are `interrupted`.

    A run that it began a moment ago is not, unless it is among `ended`.
    """
    yield from query(
        "INSERT INTO processes (id, seen_at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen_at = ?",
        *(process_id, now, now),
    )
    rows = yield from query(
        "SELECT run_id FROM threads WHERE status = 'running' AND process_id = ? AND begun_at < ?",
        *(process_id, now - _GRACE_SECONDS),
    )
    unknown = {run_id for (run_id,) in rows} - set(run_ids)
    stopped = []
    for run_id in sorted(unknown.union(ended)):
        found = yield from query(
            "UPDATE threads SET status = 'interrupted', process_id = NULL"
            " WHERE run_id = ? AND process_id = ? AND status = 'running' RETURNING owner, id, run_id",
            *(run_id, process_id),
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


def executing(process_id: str) -> Transaction[dict[str, float | None]]:
    """The other processes whose runs are going on, and when each was seen last; `None`: never."""
    rows = yield from query(
        "SELECT DISTINCT threads.process_id, processes.seen_at FROM threads"
        " LEFT JOIN processes ON processes.id = threads.process_id"
        " WHERE threads.status = 'running' AND threads.process_id <> ?",
        process_id,
    )
    return dict(rows)


def interrupt_of(process_id: str, seen_at: float | None) -> Transaction[list[StoppedRun]]:
    """The runs of the process are `interrupted`, unless it was seen since `seen_at`."""
    rows = yield from query(
        "UPDATE threads SET status = 'interrupted', process_id = NULL"
        " WHERE status = 'running' AND process_id = ? AND NOT EXISTS"
        " (SELECT 1 FROM processes WHERE processes.id = ? AND processes.seen_at > ?)"
        " RETURNING owner, id, run_id",
        *(process_id, process_id, float("-1e9") if seen_at is None else seen_at),
    )
    return [StoppedRun(*row) for row in rows]


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
