"""Revocations in a database: the PostgreSQL of the conversations, or an SQLite file of each machine."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from agent.conversations.database.database import Database, Row, Rows, Statement, Transaction, Value
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Origin, Revocation, Target
from identity.errors import AgentError
from identity.secrets.secret import Secret

T = TypeVar("T")

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_SHARED_SECONDS: Final = 0.5
_LOCAL_SECONDS: Final = 0.1
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

_DISCARD_LOG: Final = Statement("""
    DELETE FROM revocation_log
        WHERE (SELECT max(seq) FROM revocation_log) <> (SELECT coalesce(max(seq), 0) FROM revocations)
""")
"""Rows were removed, or written without a mark: no reader may rely on the marks."""
_MARK: Final = """
    INSERT INTO revocation_log (seq, mark) SELECT max(seq), ? FROM revocations WHERE true
        ON CONFLICT (seq) DO NOTHING
"""
"""Nothing, if the transaction has changed nothing."""
_MARKS_KEPT: Final = 100_000
_FORGET_MARKS: Final = Statement(
    "DELETE FROM revocation_log WHERE seq <= (SELECT max(seq) FROM revocation_log) - ?", (_MARKS_KEPT,)
)
"""A reader that is further behind reads the whole."""
_LATEST_PLACE: Final = Statement("SELECT seq, mark FROM revocation_log ORDER BY seq DESC LIMIT 1")
_PLACES_SINCE: Final = "SELECT seq, mark FROM revocation_log WHERE seq >= ? ORDER BY seq"
_SERVER: Final = Statement("SELECT pg_postmaster_start_time()::text")
"""Differs between a server and its standby, and after a restart."""

_Place: TypeAlias = tuple[int, str]
"""A place in the log of writes: a number, and the random mark of the transaction that wrote it."""


class DatabaseStore:
    """A `RevocationStore` over the table `revocations`.

    A `put` is on disk when it returns. Other processes read it within half a second as long as the server
    responds, or within a tenth of a second from a file, which the first `put` creates. Users' `sub` and
    SHA-256 values of tokens are stored in clear.

    `changes` ends when the table is not the one that was read: its log of writes lacks the place that was
    read last, or one that a `put` of this object has reached; the server is another one; or rows at the end
    are gone. So a table that was emptied or restored, a file that was removed, and a standby that lacks a
    write are noticed, also if other writes have taken the numbers of lost ones.
    """

    lasts = True

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        shared: bool,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`database` has connections of its own, so that conversations delay no revocation. `shared`: it is a
        PostgreSQL.
        """
        self.database: Final = database
        self.name: Final = name
        self.shared: Final = shared
        self._sleep = sleep
        self._reached: list[_Place] = []
        """Places that `put` has reached, and that `changes` has not found yet."""

    async def put(self, revocations: Sequence[Revocation]) -> None:
        first = [_LOCK, _DISCARD_LOG] if self.shared else [_DISCARD_LOG]
        rows = [(*_key(revocation), revocation.until, revocation.changed_at) for revocation in revocations]
        for part in _parts(_PUT, rows):
            last = [Statement(_MARK, (secrets.token_hex(16),)), _FORGET_MARKS, _LATEST_PLACE]
            results = await self._written([*first, *part, *last], durable=True)
            self._reached += (_place(row) for row in results[-1])

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """See `RevocationStore`. Asks for later rows again and again."""
        # What was put before is compared with the whole, by the caller.
        self._reached.clear()
        read = _Read()
        all_sent = False
        while True:
            reached = [*self._reached]
            later = await self._later(read, reached)
            if not later.follows(read, reached):
                return
            del self._reached[: len(reached)]
            read = later
            if later.rows:
                revocations = [_revocation(*row[1:]) for row in later.rows]
                yield [revocation for revocation in revocations if revocation]
            if len(later.rows) < _PAGE:
                if not all_sent:
                    yield []
                    all_sent = True
                pause = _SHARED_SECONDS if self.shared else _LOCAL_SECONDS
                await self._sleep(pause)

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        for part in _parts(_REMOVE, [(*_key(revocation), *revocation.order) for revocation in revocations]):
            await self._written(part, durable=False)

    async def aclose(self) -> None:
        await self.database.aclose()

    async def _later(self, read: "_Read", reached: Sequence[_Place]) -> "_Read":
        """The rows after `read`. The log is read last: it has at least the places of all rows."""
        if not read.seen and not await self._done(self.database.exists()):
            return _Read()
        earliest = min([*read.log[-1:], *reached], default=None)
        log = _LATEST_PLACE if earliest is None else Statement(_PLACES_SINCE, (earliest[0],))
        server = [_SERVER] if self.shared else []
        page = [_LAST, Statement(_AFTER, (read.seen, _PAGE)), log, *server]
        [[last]], rows, places, *servers = await self._done(self.database.read(partial(_sent, page)))
        seen = rows[-1][0] if rows else read.seen
        return _Read(seen, last or 0, rows, [_place(row) for row in places], str(servers))

    async def _written(self, statements: Sequence[Statement], *, durable: bool) -> Sequence[Rows]:
        return await self._done(self.database.write(partial(_sent, statements), durable=durable))

    async def _done(self, running: Awaitable[T]) -> T:
        try:
            return await running
        except AgentError as error:
            raise StoreError(error.detail) from None


_CONNECTIONS: Final = 2
"""To PostgreSQL, besides the pool of conversations: one connection reads while the other writes."""


def database_store(file: Path | None, postgresql: Secret | None, authorities: Path | None) -> DatabaseStore:
    """The store in `postgresql`, its URL, else in `file`; it opens nothing yet. `authorities` is a PEM bundle
    to trust in place of the public ones.

    Raises `ValueError` if there is neither.
    """
    if postgresql is None:
        if file is None:
            raise ValueError("revocations need a file or a PostgreSQL")
        return DatabaseStore(SqliteDatabase(file), "the file of REVOCATIONS_FILE", shared=False)
    # Here, because the import takes time, and most commands need no database.
    from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
    from agent.conversations.database.postgres_database import PostgresDatabase

    connections = PostgresConnections(conninfo(postgresql, authorities), most=_CONNECTIONS)
    return DatabaseStore(PostgresDatabase(connections), "the PostgreSQL of CONVERSATIONS_URL", shared=True)


@dataclass(frozen=True, slots=True)
class _Read:
    """The result of one query; at first nothing."""

    seen: int = 0
    """The number of the last row that was read so far."""
    last: int = 0
    """The number of the last row."""
    rows: Rows = ()
    log: Sequence[_Place] = ()
    """The places since the earliest one that was asked for, the latest last."""
    server: str = ""

    def follows(self, before: "_Read", reached: Sequence[_Place]) -> bool:
        """Whether it is of the same table as `before`, and as a `put` that has reached these places."""
        if not {*before.log[-1:], *reached} <= {*self.log}:
            return False
        if before.server and self.server != before.server:
            return False
        return self.last >= before.seen


def _parts(text: str, rows: Sequence[tuple[Value, ...]]) -> Iterator[list[Statement]]:
    """One statement of `text` for each of `rows`, for transactions of a limited size."""
    for start in range(0, len(rows), _CHUNK):
        yield [Statement(text, row) for row in rows[start : start + _CHUNK]]


def _place(row: Row) -> _Place:
    seq, mark = row
    return seq, mark


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
