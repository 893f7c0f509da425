"""The record of a run, which outlasts it: its state, and where its messages are. And the records of an owner.

It is written by the statements that change the thread, in the same transaction. A state in which a run has
ended is never changed again, whatever becomes of its thread. A page of records costs one indexed query,
however many there are before it; the total counts the runs that match.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from agent.conversations.database.database import Database, Row, Statement, Transaction, Value, query
from agent.conversations.listing import cursor_of, place_of
from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner
from agent.conversations.run_state import CHANGED, Change
from agent.conversations.thread import StoredMessage
from agent.conversations.transcript import PAGE_BYTES, ThreadKey, Transcript
from agent.errors.error_codes import AgentCode
from agent.errors.error_table import ERROR_CODES
from graph.error_codes import GraphCode
from identity.errors import ErrorCode

RunState: TypeAlias = Literal["working", "input_required", "auth_required", "completed", "failed", "canceled"]
"""As A2A names the states of a task."""

COLUMNS: Final = (
    "threads.key, threads.id, runs.run_id, runs.state, runs.reason, runs.changed_at, runs.expires_at,"
    " runs.first_seq, runs.asked, COALESCE(runs.last_seq, threads.last_seq)"
)
"""The columns of runs and threads, in the order of the members of `RunRecord`."""

_CODES: Final = {code.value: code for code in ERROR_CODES}
_MOST_MESSAGES: Final = 1_000
"""A run within the limits has fewer."""
_OPEN: Final = "('working', 'input_required', 'auth_required')"
_TO_THE_END: Final = "last_seq = (SELECT last_seq FROM threads WHERE threads.key = runs.thread_key)"
_EXPIRED: Final = ("canceled", GraphCode.APPROVAL_EXPIRED.value)
_FROM: Final = " FROM runs JOIN threads ON threads.key = runs.thread_key WHERE threads.deleted_at IS NULL AND"
OF_ONLY_RUN: Final = (
    " WHERE owner = ? AND id = ? AND run_id = ? AND deleted_at IS NULL"
    " AND NOT EXISTS"
    " (SELECT 1 FROM runs WHERE runs.thread_key = threads.key AND runs.run_id <> threads.run_id)"
)
"""The thread of a run that has no other run, by the members of `RunKey.place`. One that begins is seen in the
row of the thread, by whichever statement waits for the other one.
"""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, or why it waits. `reason` is the code of the error that ended it early; of a run that
    was cancelled, too. `expires_at` is until when it can be answered, in unix seconds.
    """

    state: RunState
    reason: str | None = None
    expires_at: float | None = None


COMPLETED: Final = RunEnd("completed")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. Times are unix seconds; `changed_at` is when its state began.

    Its messages are at the positions `first_seq` to `last_seq` of the thread. The first `asked` of them are
    those that it began with.
    """

    thread_key: int
    thread_id: str
    run_id: str
    state: RunState
    reason: str | None
    changed_at: float
    expires_at: float | None
    first_seq: int
    asked: int
    last_seq: int

    @property
    def code(self) -> ErrorCode:
        """Why the run ended early. A reason that this version does not know counts as an interruption."""
        return _CODES.get(self.reason or "", AgentCode.RUN_INTERRUPTED)

    @classmethod
    def read(cls, row: Row, now: float) -> "RunRecord":
        """The record in a row of `COLUMNS`. A run that waits is cancelled when its approval has expired."""
        key, thread_id, run_id, state, reason, changed_at, expires_at, *positions = row
        if expires_at is not None and expires_at <= now:
            state, reason = _EXPIRED
            changed_at = expires_at
            expires_at = None
        return cls(key, thread_id, run_id, state, reason, changed_at, expires_at, *positions)


def begun(change: Change) -> Statement:
    """The run of `change` has begun with its messages, or goes on after it waited."""
    return Statement(
        "INSERT INTO runs (thread_key, run_id, owner, state, changed_at, first_seq, asked)"  # noqa: S608 - constants
        f" SELECT key, ?, owner, 'working', ?, last_seq - ? + 1, ? FROM threads WHERE {CHANGED}"
        " ON CONFLICT (thread_key, run_id) DO UPDATE SET state = 'working', reason = NULL,"
        " changed_at = excluded.changed_at, expires_at = NULL, last_seq = NULL"
        " WHERE runs.state IN ('input_required', 'auth_required')",
        (change.run.run_id, change.now, change.messages, change.messages, *change.thread),
    )


def ended(change: Change, end: RunEnd) -> list[Statement]:
    """The run of `change` has ended, or waits."""
    statement = Statement(
        f"UPDATE runs SET state = ?, reason = ?, changed_at = ?, expires_at = ?, {_TO_THE_END}"  # noqa: S608 - constants
        f" WHERE run_id = ? AND thread_key = (SELECT key FROM threads WHERE {CHANGED}) AND state IN {_OPEN}",
        (end.state, end.reason, change.now, end.expires_at, change.run.run_id, *change.thread),
    )
    # A run whose approval has expired was cancelled then, not now.
    return [expired(change.run.owner, change.now), statement] if end.state == "canceled" else [statement]


def stopped(thread_key: int, run_id: str, now: float) -> Statement:
    """The run has ended: its process has stopped."""
    return Statement(
        f"UPDATE runs SET state = 'failed', reason = ?, changed_at = ?, {_TO_THE_END}"  # noqa: S608 - constants
        " WHERE run_id = ? AND thread_key = ? AND state = 'working'",
        (AgentCode.RUN_INTERRUPTED.value, now, run_id, thread_key),
    )


def expired(owner: str, now: float) -> Statement:
    """The runs of `owner` that wait for an answer that cannot come any more are cancelled."""
    return Statement(
        "UPDATE runs SET state = ?, reason = ?, changed_at = expires_at, expires_at = NULL"
        " WHERE owner = ? AND expires_at <= ?",
        (*_EXPIRED, owner, now),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs: the latest `limit` after the cursor `before`, of one thread, in one state, or whose state
    began at `since` or later, in unix seconds. Fewer, if they have more than `messages` (without it, only the
    messages that they began with are to be read), or more than 1 MiB of them; one at least.
    """

    limit: int
    messages: int | None = None
    before: str | None = None
    thread_id: str | None = None
    state: str | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, the last changed first; the cursor of the next page, if there is one; and how many match."""

    runs: list[RunRecord]
    cursor: str | None
    total: int


class RunHistory:
    """Reads the records of runs. Raises what `Database` raises."""

    def __init__(self, database: Database, transcript: Transcript, clock: Callable[[], float]) -> None:
        self._database = database
        self._transcript = transcript
        self._clock = clock

    async def get(self, thread: OwnedThread, run_id: str | None = None) -> RunRecord | None:
        """The run, the latest one of the thread if none is named; `None` if the owner has no such run."""
        sql = f"SELECT {COLUMNS}{_FROM} threads.owner = ? AND threads.id = ?"
        sql += " AND runs.run_id = COALESCE(?, threads.run_id)"
        rows = await self._database.read(lambda: query(sql, *thread.place, run_id))
        return RunRecord.read(rows[0], self._clock()) if rows else None

    async def is_only(self, run: RunKey) -> bool:
        """Whether the thread of `run` has it, and no other run."""
        sql = f"SELECT 1 FROM threads{OF_ONLY_RUN}"  # noqa: S608 - constants
        return bool(await self._database.read(lambda: query(sql, *run.place)))

    async def of_deleted(self, owner: ThreadOwner, thread_id: str | None, since: float) -> list[str]:
        """The ids of the runs of a deleted thread that began, or ended, after `since`; with `None`, of all
        deleted threads of `owner`.
        """
        sql = (
            "SELECT runs.run_id FROM runs JOIN threads ON threads.key = runs.thread_key"
            " WHERE threads.deleted_at IS NOT NULL AND runs.owner = ? AND runs.changed_at > ?"
        )
        values: list[Value] = [owner.digest, since]
        if thread_id is not None:
            sql = f"{sql} AND threads.id = ?"
            values = [*values, thread_id]
        rows = await self._database.read(lambda: query(sql, *values))
        return [run_id for [run_id] in rows]

    async def page(self, owner: ThreadOwner, which: RunQuery) -> RunPage:
        """A page of runs. Raises `ValueError` for a cursor that is none."""
        now = self._clock()
        place = None if which.before is None else place_of(which.before)
        condition, values = _condition(owner.digest, which)
        after = "" if place is None else " AND (runs.changed_at, runs.run_id) < (?, ?)"
        statements = [
            expired(owner.digest, now),
            Statement(f"SELECT count(*){_FROM}{condition}", values),
            Statement(
                f"SELECT {COLUMNS}{_FROM}{condition}{after}"
                " ORDER BY runs.changed_at DESC, runs.run_id DESC LIMIT ?",
                (*values, *(place or ()), which.limit + 1),
            ),
        ]

        def work() -> Transaction[RunPage]:
            _, [[total]], rows = yield statements
            runs = [RunRecord.read(row, now) for row in rows]
            listed = _within(runs[: which.limit], which.messages)
            if listed:
                sizes = yield [_size(run, asked=which.messages is None) for run in listed]
                total_bytes = accumulate(size or 0 for [[size]] in sizes)
                fitting = [run for run, size in zip(listed, total_bytes, strict=True) if size <= PAGE_BYTES]
                listed = fitting or listed[:1]
            last = cursor_of(listed[-1].changed_at, listed[-1].run_id) if len(runs) > len(listed) else None
            return RunPage(listed, last, total)

        return await self._database.write(work)

    async def messages(
        self,
        owner: ThreadOwner,
        runs: Sequence[RunRecord],
        *,
        limit: int = _MOST_MESSAGES,
        asked: bool = False,
    ) -> list[list[StoredMessage]]:
        """The newest `limit` messages of each run, the oldest first; with `asked`, of its questions alone."""
        positions = [
            (
                ThreadKey(run.thread_key, owner.digest, run.thread_id),
                run.run_id,
                *_positions(run, asked=asked),
            )
            for run in runs
        ]
        return await self._database.read(lambda: self._transcript.between(positions, limit))


def _condition(owner: str, which: RunQuery) -> tuple[str, tuple[Value, ...]]:
    conditions: list[tuple[str, Value]] = [("runs.owner = ?", owner)]
    if which.thread_id is not None:
        conditions.append(("threads.id = ?", which.thread_id))
    if which.state is not None:
        conditions.append(("runs.state = ?", which.state))
    if which.since is not None:
        conditions.append(("runs.changed_at >= ?", which.since))
    return " " + " AND ".join(sql for sql, _ in conditions), tuple(value for _, value in conditions)


def _within(runs: list[RunRecord], messages: int | None) -> list[RunRecord]:
    """The first of `runs`, as many as have no more than `messages` together; one at least."""
    if messages is None:
        return runs
    sizes = accumulate(run.last_seq - run.first_seq + 1 for run in runs)
    return [run for run, size in zip(runs, sizes, strict=True) if size <= messages] or runs[:1]


def _positions(run: RunRecord, *, asked: bool) -> tuple[int, int]:
    """The first and the last message of a run; with `asked`, of those that it began with."""
    if asked:
        return run.first_seq, run.first_seq + run.asked - 1
    return run.first_seq, run.last_seq


def _size(run: RunRecord, *, asked: bool) -> Statement:
    return Statement(
        "SELECT SUM(length(body)) FROM messages WHERE thread_key = ? AND seq BETWEEN ? AND ?",
        (run.thread_key, *_positions(run, asked=asked)),
    )
