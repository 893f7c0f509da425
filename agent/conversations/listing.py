"""The list of a principal's threads: pages in the order of their last change, by indexed queries."""

import base64
import math
from collections.abc import Sequence
from functools import partial
from typing import Final

from agent.conversations.database.database import Database, Row, Rows, Transaction, query
from agent.conversations.search_terms import having
from agent.conversations.thread import is_thread_id

COLUMNS: Final = "id, title, created_at, updated_at, status, run_id, change"
"""The columns of a thread, in the order of the members of `Thread`."""

_SEARCHED: Final = 500
"""Threads that are looked at in one transaction. Between two, others are served."""
_MOST_READINGS: Final = 200


async def thread_page(
    database: Database,
    owner: str,
    *,
    limit: int,
    before: str | None,
    wanted: Sequence[Sequence[bytes]] | None,
) -> tuple[list[Row], str | None]:
    """The rows of the latest `limit` threads after the cursor `before`, and a cursor if there may be more;
    those that have one of the terms of each of `wanted`. A search without terms finds nothing.

    Raises `ValueError` for a cursor that is none.
    """
    after = None if before is None else place_of(before)
    size = limit + 1 if wanted is None else _SEARCHED
    listed: list[Row] = []
    finds_nothing = wanted is not None and not wanted
    readings = 0 if finds_nothing else _MOST_READINGS
    for _ in range(readings):
        rows = await database.read(partial(listed_threads, owner, after, wanted or (), size))
        listed += [row[:-1] for row in rows if row[-1]]
        after = (rows[-1][3], rows[-1][0]) if len(rows) == size else None
        if after is None or len(listed) > limit:
            break
    if len(listed) > limit:
        last = listed[limit - 1]
        return listed[:limit], cursor_of(last[3], last[0])
    if after is None:
        return listed, None
    return listed, cursor_of(*after)


def listed_threads(
    owner: str, after: tuple[float, str] | None, wanted: Sequence[Sequence[bytes]], size: int
) -> Transaction[Rows]:
    """The rows of `size` threads after the place `after`, each with whether it is wanted."""
    is_wanted, terms = having(wanted)
    later, place = ("", ()) if after is None else (" AND (updated_at, id) < (?, ?)", after)
    return query(
        f"SELECT {COLUMNS}, {is_wanted} FROM threads WHERE owner = ? AND deleted_at IS NULL{later}"  # noqa: S608 - constants
        " ORDER BY updated_at DESC, id DESC LIMIT ?",
        *(*terms, owner, *place, size),
    )


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
