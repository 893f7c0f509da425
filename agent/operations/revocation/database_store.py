"""Revocations in a database: the PostgreSQL of the conversations, or an SQLite file of each machine."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Final, TypeVar

from agent.conversations.database.database import Database, Rows, Statement, Transaction, Value
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Origin, Revocation, Target
from identity.errors import AgentError

T = TypeVar("T")

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_SHARED_SECONDS, _LOCAL_SECONDS = 0.5, 0.1
"""Between two queries for later rows: to a server of several machines, and to a file."""
_PAGE: Final = 2_000
"""How many stored revocations are read at once."""
_CHUNK: Final = 500
"""How many are written by one transaction."""

_LOCK: Final = Statement("LOCK TABLE revocations IN EXCLUSIVE MODE")
"""One transaction writes at a time, so that `seq` grows in the order in which others can see the rows. SQLite
has one writer at a time anyway.
"""
_PUT: Final = """
    INSERT INTO revocations (target, origin, name, until, changed_at, seq)
        VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM revocations))
        ON CONFLICT (target, origin, name) DO UPDATE
            SET until = excluded.until, changed_at = excluded.changed_at, seq = excluded.seq
            WHERE (excluded.changed_at, coalesce(excluded.until, -1))
                > (revocations.changed_at, coalesce(revocations.until, -1))
"""
_REMOVE: Final = """
    DELETE FROM revocations WHERE target = ? AND origin = ? AND name = ?
        AND (changed_at, coalesce(until, -1)) <= (?, ?) AND seq < (SELECT max(seq) FROM revocations)
"""
"""The last row stays: by it, readers notice what was removed by others than agents."""
_LAST: Final = Statement("SELECT max(seq) FROM revocations")
_AFTER: Final = """
    SELECT seq, target, name, origin, until, changed_at FROM revocations WHERE seq > ? ORDER BY seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class DatabaseStore:
    """A `RevocationStore` over the table `revocations`.

    A `put` is on disk when it returns. Other processes read it within half a second as long as the server
    responds, or within a tenth of a second from a file, which the first `put` creates. `changes` ends when
    rows are gone: the table was emptied or restored to a former state, or the file was removed. Users' `sub`
    and SHA-256 values of tokens are stored in clear. `database` has connections of its own, so that
    conversations delay no revocation. `shared`: it is a PostgreSQL.
    """

    lasts = True

    database: Database
    name: str
    _: KW_ONLY
    shared: bool
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def put(self, revocations: Sequence[Revocation]) -> None:
        rows = [(*_key(each), each.until, each.changed_at) for each in revocations]
        await self._written([_LOCK] if self.shared else [], _PUT, rows, durable=True)

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """See `RevocationStore`. Asks for later rows again and again."""
        seen, all_sent = 0, False
        while True:
            last, rows = await self._later(seen)
            if last < seen:
                return
            if rows:
                seen = rows[-1][0]
                yield [each for row in rows if (each := _revocation(*row[1:]))]
            if len(rows) < _PAGE:
                if not all_sent:
                    yield []
                    all_sent = True
                await self.sleep(_SHARED_SECONDS if self.shared else _LOCAL_SECONDS)

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        await self._written([], _REMOVE, [(*_key(each), *each.order) for each in revocations])

    async def aclose(self) -> None:
        await self.database.aclose()

    async def _later(self, seen: int) -> tuple[int, Rows]:
        """The number of the last row, and the rows after `seen`."""
        if not seen and not await self._done(self.database.exists()):
            return 0, ()
        page = [_LAST, Statement(_AFTER, (seen, _PAGE))]
        [[(last,)], rows] = await self._done(self.database.read(partial(_sent, page)))
        return last or 0, rows

    async def _written(
        self, first: list[Statement], text: str, rows: Sequence[tuple[Value, ...]], *, durable: bool = False
    ) -> None:
        """One statement of `text` for each of `rows`, in transactions that begin with `first`."""
        for start in range(0, len(rows), _CHUNK):
            statements = [*first, *(Statement(text, row) for row in rows[start : start + _CHUNK])]
            await self._done(self.database.write(partial(_sent, statements), durable=durable))

    async def _done(self, running: Awaitable[T]) -> T:
        try:
            return await running
        except AgentError as error:
            raise StoreError(error.detail) from None


def _sent(statements: Sequence[Statement]) -> Transaction[Sequence[Rows]]:
    """The rows of each."""
    rows = yield statements
    return rows


def _key(revocation: Revocation) -> tuple[str, str, str]:
    return revocation.target.value, revocation.origin.value, revocation.name


def _revocation(
    target: str, name: str, origin: str, until: float | None, changed_at: float
) -> Revocation | None:
    try:
        return Revocation(Target(target), name, Origin(origin), until, changed_at)
    except ValueError as error:
        _LOG.error("a row of the table of revocations is not a revocation: %s", error)
        return None
