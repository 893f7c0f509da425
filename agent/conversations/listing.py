"""The list of a principal's threads: pages in the order of their last change, by indexed queries."""

import base64
import math
from collections.abc import Callable, Sequence
from typing import Final

from agent.conversations.database.database import Row, Rows, Transaction, query
from agent.conversations.search_terms import having
from agent.conversations.thread import Thread, is_thread_id

COLUMNS: Final = "id, title, created_at, updated_at, status, run_id, deleted_at, change"
"""The columns of a thread, in the order of the members of `Thread`."""

_SEARCHED: Final = 500
"""Threads that are looked at in one transaction. Between two, others are served."""
_MOST_READINGS: Final = 200


class Reading:
    """Reads one page. While `goes_on`, its caller runs `next`, and gives the rows to `add`."""

    def __init__(
        self, owner: str, *, limit: int, before: str | None, wanted: Sequence[Sequence[bytes]] | None
    ) -> None:
        """The latest `limit` threads after the cursor `before`; those that have one of the terms of each of
        `wanted`. Raises `ValueError` for a cursor that is none.
        """
        self._owner = owner
        self._limit = limit
        self._wanted = wanted
        self._size = limit + 1 if wanted is None else _SEARCHED
        self._after = None if before is None else place_of(before)
        self._found: list[Thread] = []
        self._readings = 0
        self.goes_on = wanted is None or bool(wanted)
        """Whether there may be more. A search without terms finds nothing."""

    def next(self) -> Transaction[Rows]:
        """Some threads, and of each whether it is wanted."""
        is_wanted, terms = having(self._wanted or ())
        after, place = ("", ()) if self._after is None else (" AND (updated_at, id) < (?, ?)", self._after)
        return query(
            f"SELECT {COLUMNS}, {is_wanted} FROM threads WHERE owner = ? AND deleted_at IS NULL{after}"  # noqa: S608 - constants
            " ORDER BY updated_at DESC, id DESC LIMIT ?",
            *(*terms, self._owner, *place, self._size),
        )

    def add(self, rows: Rows, thread_of: Callable[[Row], Thread]) -> None:
        """Takes the rows of `next`."""
        self._readings += 1
        self._found += [thread_of(row[:-1]) for row in rows if row[-1]]
        if rows:
            self._after = rows[-1][3], rows[-1][0]
        if len(rows) < self._size:
            self._after = None
        more = self._after is not None and len(self._found) <= self._limit
        self.goes_on = more and self._readings < _MOST_READINGS

    def page(self) -> tuple[list[Thread], str | None]:
        """The threads, and a cursor if there may be more."""
        if len(self._found) > self._limit:
            last = self._found[self._limit - 1]
            return self._found[: self._limit], cursor_of(last.updated_at, last.id)
        return self._found, None if self._after is None else cursor_of(*self._after)


def cursor_of(changed_at: float, identifier: str) -> str:
    """The cursor after a thread, or a run, that was changed then."""
    text = f"{changed_at!r}/{identifier}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[float, str]:
    """The inverse of `cursor_of`. Raises `ValueError` for what is no cursor."""
    text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    changed_at, _, identifier = text.partition("/")
    if not math.isfinite(at := float(changed_at)) or not is_thread_id(identifier):
        raise ValueError("the cursor does not have the expected form")
    return at, identifier
