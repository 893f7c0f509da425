"""The runs of all conversations of a principal: each by its id, or the last changed first, by pages.

A page costs one indexed query, however many there are before it; the total counts the runs that match.
"""

import base64
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from agent.conversations.database.database import Database, Statement, Transaction, Value, query
from agent.conversations.run_record import COLUMNS, RunRecord, expired
from agent.conversations.thread import StoredMessage
from agent.conversations.transcript import PAGE_BYTES, ThreadKey, Transcript

_FROM: Final = " FROM runs JOIN threads ON threads.key = runs.thread_key WHERE threads.deleted_at IS NULL AND"
_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


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

    async def get(self, owner: str, thread_id: str, run_id: str) -> RunRecord | None:
        """The run; `None` if the owner has no such run."""
        sql = f"SELECT {COLUMNS}{_FROM} threads.owner = ? AND threads.id = ? AND runs.run_id = ?"
        rows = await self._database.read(lambda: query(sql, owner, thread_id, run_id))
        return RunRecord.read(rows[0], self._clock()) if rows else None

    async def of_deleted(self, owner: str, thread_id: str | None, since: float) -> list[str]:
        """The ids of the runs of a deleted thread that began, or ended, after `since`; with `None`, of all
        deleted threads of `owner`.
        """
        sql = (
            "SELECT runs.run_id FROM runs JOIN threads ON threads.key = runs.thread_key"
            " WHERE threads.deleted_at IS NOT NULL AND runs.owner = ? AND runs.changed_at > ?"
        )
        values: list[Value] = [owner, since]
        if thread_id is not None:
            sql, values = f"{sql} AND threads.id = ?", [*values, thread_id]
        rows = await self._database.read(lambda: query(sql, *values))
        return [run_id for [run_id] in rows]

    async def page(self, owner: str, which: RunQuery) -> RunPage:
        """A page of runs. Raises `ValueError` for a cursor that is none."""
        now = self._clock()
        place = None if which.before is None else _place(which.before)
        condition, values = _condition(owner, which)
        after = "" if place is None else " AND (runs.changed_at, runs.run_id) < (?, ?)"
        statements = [
            expired(owner, now),
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
            found = _within(runs[: which.limit], which.messages)
            if found:
                sizes = yield [_size(run, asked=which.messages is None) for run in found]
                total_bytes = accumulate(size or 0 for [[size]] in sizes)
                fitting = [run for run, size in zip(found, total_bytes, strict=True) if size <= PAGE_BYTES]
                found = fitting or found[:1]
            return RunPage(found, _cursor(found[-1]) if len(runs) > len(found) else None, total)

        return await self._database.write(work)

    async def messages(
        self, owner: str, runs: Sequence[RunRecord], *, limit: int, asked: bool = False
    ) -> list[list[StoredMessage]]:
        """The newest `limit` messages of each run, the oldest first; with `asked`, of its questions alone."""
        positions = [
            (
                ThreadKey(run.thread_key, owner, run.thread_id),
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
    return run.first_seq, run.first_seq + run.asked - 1 if asked else run.last_seq


def _size(run: RunRecord, *, asked: bool) -> Statement:
    return Statement(
        "SELECT SUM(length(body)) FROM messages WHERE thread_key = ? AND seq BETWEEN ? AND ?",
        (run.thread_key, *_positions(run, asked=asked)),
    )


def _cursor(run: RunRecord) -> str:
    text = f"{run.changed_at!r}/{run.run_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, str]:
    text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    changed_at, _, run_id = text.partition("/")
    if not math.isfinite(at := float(changed_at)) or _RUN_ID.fullmatch(run_id) is None:
        raise ValueError("the cursor does not have the expected form")
    return at, run_id
