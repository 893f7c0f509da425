"""The record of a run, which outlasts it: its state, and where its messages are.

It is written by the statements that change the thread, in the same transaction. A state in which a run has
ended is never changed again, whatever becomes of its thread.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from agent.conversations.database.database import Row, Statement, Transaction, query
from agent.conversations.run_state import Change
from agent.conversations.thread import StoppedRun, ThreadStatus
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode

RunState: TypeAlias = Literal["working", "input_required", "auth_required", "completed", "failed", "canceled"]
"""As A2A names the states of a task."""

COLUMNS: Final = (
    "threads.key, threads.id, runs.run_id, runs.state, runs.reason, runs.changed_at, runs.expires_at,"
    " runs.first_seq, runs.asked, COALESCE(runs.last_seq, threads.last_seq)"
)
"""The columns of runs and threads, in the order of the members of `RunRecord`."""

_OPEN: Final = "('working', 'input_required', 'auth_required')"
_TO_THE_END: Final = "last_seq = (SELECT last_seq FROM threads WHERE threads.key = runs.thread_key)"
_EXPIRED: Final = ("canceled", GraphCode.APPROVAL_EXPIRED.value)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, or why it waits. `reason` is the code of the error that ended it early; of a run that
    was cancelled, too. `expires_at` is until when it can be answered, in unix seconds.
    """

    state: RunState
    reason: str | None = None
    expires_at: float | None = None

    @classmethod
    def of(cls, status: ThreadStatus) -> "RunEnd":
        """The state of a run, of which only the status of its thread is known."""
        return cls(_STATES[status])


_STATES: Final[dict[ThreadStatus, RunState]] = {
    "idle": "completed",
    "running": "working",
    "paused": "input_required",
    "interrupted": "failed",
    "failed": "failed",
}


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

    @classmethod
    def read(cls, row: Row, now: float) -> "RunRecord":
        """The record in a row of `COLUMNS`. A run that waits is cancelled when its approval has expired."""
        key, thread_id, run_id, state, reason, changed_at, expires_at, *positions = row
        if expires_at is not None and expires_at <= now:
            (state, reason), changed_at, expires_at = _EXPIRED, expires_at, None
        return cls(key, thread_id, run_id, state, reason, changed_at, expires_at, *positions)


def begun(change: Change) -> Statement:
    """The run of `change` has begun with its messages, or goes on after it waited."""
    return Statement(
        "INSERT INTO runs (thread_key, run_id, owner, state, changed_at, first_seq, asked)"
        " SELECT key, ?, owner, 'working', ?, last_seq - ? + 1, ?"
        " FROM threads WHERE owner = ? AND id = ? AND change = ?"
        " ON CONFLICT (thread_key, run_id) DO UPDATE SET state = 'working', reason = NULL,"
        " changed_at = excluded.changed_at, expires_at = NULL, last_seq = NULL"
        " WHERE runs.state IN ('input_required', 'auth_required')",
        (
            *(change.run_id, change.now, change.messages, change.messages),
            *(change.owner, change.thread_id, change.number),
        ),
    )


def ended(change: Change, end: RunEnd) -> list[Statement]:
    """The run of `change` has ended, or waits."""
    thread = "SELECT key FROM threads WHERE owner = ? AND id = ? AND change = ?"
    statement = Statement(
        f"UPDATE runs SET state = ?, reason = ?, changed_at = ?, expires_at = ?, {_TO_THE_END}"  # noqa: S608 - constants
        f" WHERE run_id = ? AND thread_key = ({thread}) AND state IN {_OPEN}",
        (
            *(end.state, end.reason, change.now, end.expires_at),
            *(change.run_id, change.owner, change.thread_id, change.number),
        ),
    )
    # A run whose approval has expired was cancelled then, not now.
    return [expired(change.owner, change.now), statement] if end.state == "canceled" else [statement]


def with_stopped(interruption: Transaction[list[StoppedRun]], now: float) -> Transaction[list[StoppedRun]]:
    """`interruption`, and the end of the runs that it returns: their processes have stopped."""
    runs = yield from interruption
    for run in runs:
        yield from query(
            f"UPDATE runs SET state = 'failed', reason = ?, changed_at = ?, {_TO_THE_END}"  # noqa: S608 - constants
            " WHERE run_id = ? AND thread_key = (SELECT key FROM threads WHERE owner = ? AND id = ?)"
            " AND state = 'working'",
            *(AgentCode.RUN_INTERRUPTED.value, now, run.run_id, run.owner, run.thread_id),
        )
    return runs


def expired(owner: str, now: float) -> Statement:
    """The runs of `owner` that wait for an answer that cannot come any more are cancelled."""
    return Statement(
        "UPDATE runs SET state = ?, reason = ?, changed_at = expires_at, expires_at = NULL"
        " WHERE owner = ? AND expires_at <= ?",
        (*_EXPIRED, owner, now),
    )
