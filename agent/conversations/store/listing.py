"""The list of a principal's threads: pages in the order of their last change, by one indexed query each."""

import base64
from collections.abc import Callable, Sequence
from typing import Final

from agent.conversations.database.database import Row, Transaction, query
from agent.conversations.store.thread import Thread, is_thread_id

COLUMNS: Final = "id, title, created_at, updated_at, status, run_id, deleted_at, change"
"""The columns of a thread, in the order of the members of `Thread`."""

_SEARCHED: Final = 500
"""Titles that are read at a time. They may be encrypted, so the database cannot compare them."""


def page(
    owner: str,
    thread_of: Callable[[Row], Thread],
    *,
    limit: int,
    before: str | None,
    search: str | None,
) -> Transaction[tuple[list[Thread], str | None]]:
    """The latest `limit` threads after the cursor `before`, and a cursor if there are more.

    With `search`, those whose title contains it, in whatever case. Raises `ValueError` for a cursor that is
    none.
    """
    place = None if before is None else _place(before)
    wanted = (search or "").casefold()
    size = _SEARCHED if wanted else limit + 1
    found: list[Thread] = []
    while len(found) <= limit:
        rows = yield from _rows(owner, place, size)
        threads = [thread_of(row) for row in rows]
        found += [thread for thread in threads if wanted in (thread.title or "").casefold()]
        if len(rows) < size:
            break
        place = threads[-1].updated_at, threads[-1].id
    return found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None


def _rows(owner: str, after: tuple[float, str] | None, limit: int) -> Transaction[Sequence[Row]]:
    condition, values = ("", ()) if after is None else (" AND (updated_at, id) < (?, ?)", after)
    sql = (
        f"SELECT {COLUMNS} FROM threads WHERE owner = ? AND deleted_at IS NULL{condition}"  # noqa: S608 - constants
        " ORDER BY updated_at DESC, id DESC LIMIT ?"
    )
    return (yield from query(sql, owner, *values, limit))


def _cursor(thread: Thread) -> str:
    text = f"{thread.updated_at!r}/{thread.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, str]:
    text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    updated_at, _, thread_id = text.partition("/")
    if not is_thread_id(thread_id):
        raise ValueError("the cursor does not have the expected form")
    return float(updated_at), thread_id
