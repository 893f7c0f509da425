"""The state of a thread's run: one run at a time, of one process, over all processes.

A run may append only while it is the run of its thread: a process that was silent for too long, and whose run
is therefore `interrupted`, cannot write into a thread that another process continues.

A change and what it appends are sent together, before it is known whether the change was made. Each change
leaves its own number in the thread (`Change`), and only a thread with this number receives the messages.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn, TypeAlias

from agent.conversations.database.database import Statement, Transaction, Value, query
from agent.conversations.owned_thread import RunKey
from agent.conversations.storage_limits import ROW_BYTES, UNLIMITED, StorageLimits
from agent.conversations.thread import MessageStoredError, Thread, ThreadStatus, not_found
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.errors import ApprovalError, ThreadBusyError

_Sealed: TypeAlias = bytes | None
CHANGED: Final = "owner = ? AND id = ? AND change = ?"
"""The thread that a statement before has changed. The values are `Change.thread`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a thread by its run, at a time in unix seconds, with a number of appended messages, and
    what they add to the thread's `bytes`.
    """

    run: RunKey
    now: float
    messages: int = 0
    bytes: int = 0
    labels: _Sealed = None
    """Sealed, those of what the conversation has read; `None`: unchanged."""
    after: int | None = None
    """The number of the run's change before, which must be the thread's latest: a database that was replaced
    may lack it. `None`: any.
    """
    number: int = field(default_factory=lambda: secrets.randbits(62))

    @property
    def thread(self) -> tuple[str, str, int]:
        """See `CHANGED`."""
        return self.run.owner, self.run.thread_id, self.number


def lock(change: Change) -> Statement:
    """Locks the thread, so that the statements after it see all that was stored in it before; its key, and
    whether it has a title.
    """
    return Statement(
        "SELECT key, title IS NOT NULL FROM threads WHERE owner = ? AND id = ?",
        change.run.thread.place,
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
    owner, thread_id, run_id = change.run.place
    of_user, space = limits.of_user(owner, change.bytes, threads=0)
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
            *(run_id, process_id, change.now, change.now, change.number, change.messages),
            *(change.bytes, title, owner, thread_id, run_id, *values),
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
    owner, thread_id, run_id = change.run.place
    of_user, space = limits.of_user(owner, change.bytes, threads=1)
    return Statement(
        "INSERT INTO threads (owner, id, title, status, run_id, process_id, begun_at, change, last_seq,"
        " bytes, created_at, updated_at) SELECT ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?"
        f" WHERE 1 = 1{of_user} ON CONFLICT (owner, id) DO NOTHING RETURNING key",
        (
            *(owner, thread_id, title, run_id, process_id, change.now, change.number),
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
    sql = "SELECT key, status, deleted_at FROM threads WHERE owner = ? AND id = ?"
    rows = yield from query(sql, *change.run.thread.place)
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
        yield from limits.check(change.run.thread, change.messages, change.bytes)
    raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run of the thread is in progress")


def advance(change: Change) -> Statement:
    """Makes room for the messages: a row, if the run is still that of its thread."""
    return _appended(change, "status = 'running'")


def room_after(change: Change) -> Statement:
    """Makes room for the messages that complete an `interrupted` run."""
    return _appended(change, "status = 'interrupted'")


def end(change: Change, status: ThreadStatus, process_id: str | None) -> Statement:
    """Ends the run, and makes room for its last messages: a row, if it was that of its thread; with
    `process_id`, if that process executed it.
    """
    ends = "status = ?, process_id = NULL, begun_at = NULL, updated_at = ?,"
    in_progress = "status IN ('running', 'paused')"
    where = list[Value]()
    if process_id is not None:
        in_progress = "status = 'running' AND process_id = ?"
        where = [process_id]
    return _appended(change, in_progress, ends, status, change.now, where=where)


def _appended(
    change: Change, condition: str, also: str = "", *values: Value, where: Sequence[Value] = ()
) -> Statement:
    """Makes room for the messages, if the run is that of its thread, whose row fulfils `condition`. `values`
    are those of `also`, `where` those of `condition`.
    """
    after = () if change.after is None else (change.after,)
    latest = " AND change = ?" if after else ""
    return Statement(
        f"UPDATE threads SET {also} last_seq = last_seq + ?, bytes = bytes + ?, change = ?,"  # noqa: S608 - constants
        " labels = COALESCE(?, labels)"
        f" WHERE owner = ? AND id = ? AND run_id = ? AND {condition}{latest} RETURNING key",
        (
            *(*values, change.messages, change.bytes, change.number, change.labels),
            *(*change.run.place, *where, *after),
        ),
    )


def removal(change: Change, table: Literal["drafts", "checkpoints"]) -> Statement:
    """Removes what `table` has of the thread, if `change` was made by a statement before."""
    sql = f"DELETE FROM {table} WHERE thread_key = (SELECT key FROM threads WHERE {CHANGED})"  # noqa: S608 - constants
    return Statement(sql, change.thread)


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
