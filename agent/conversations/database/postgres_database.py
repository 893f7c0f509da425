"""Conversations in PostgreSQL, for the processes of several machines."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agent.background import end_tasks
from agent.conversations.database.database import Kind, Rows, Statement, Transaction, Writes, query
from agent.conversations.database.postgres_connections import (
    SCHEMA,
    PostgresConnections,
    failure,
    unavailable,
)
from agent.conversations.database.schema import POSTGRES_TYPES, SCHEMA_VERSION, migrations

if TYPE_CHECKING:
    from psycopg import AsyncCursor

    from agent.conversations.database.postgres_connections import Connection


T = TypeVar("T")

SECONDS: Final = 8.0
"""How long a transaction may take: less than the end of a run, which is stored by one."""
_MIGRATION_SECONDS: Final = 60.0
_NOT_WRITTEN: Final = ("53100", "58030", "25006")
"""PostgreSQL's codes of a full disk, one that fails, and a standby: they are read as ever."""
_BEGIN: Final = (Statement("BEGIN"),)
_BEGIN_DURABLE: Final = (Statement("BEGIN"), Statement("SET LOCAL synchronous_commit = on"))
_LOCK: Final = 0x1DAA5A6E
_LOCK_SECONDS: Final = 30


async def migrate(connection: "Connection") -> None:
    """Brings the tables to the version of this code. Tables that have it already are only read.

    Raises `ConfigurationError` if it is not known to this code, and psycopg's error if another process
    migrates for half a minute.
    """
    async with connection.transaction():
        for limit in ("lock_timeout", "statement_timeout"):
            await connection.execute(f"SET LOCAL {limit} = '{_LOCK_SECONDS}s'".encode())
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not await _value(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", SCHEMA):
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        version = 0
        if await _value(connection, "SELECT to_regclass('schema_version')::text"):
            version = await _value(connection, "SELECT version FROM schema_version")
        else:
            await connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
            await connection.execute("INSERT INTO schema_version VALUES (0)")
        if statements := migrations(version, POSTGRES_TYPES):
            for statement in statements:
                await connection.execute(statement.encode())
            await connection.execute("UPDATE schema_version SET version = %s", (SCHEMA_VERSION,))


async def _value(connection: "Connection", sql: str, *values: object) -> Any:  # noqa: ANN401 - a column's
    cursor = await connection.execute(sql.encode(), values)
    row = await cursor.fetchone()
    return row[0] if row else None


class PostgresDatabase:
    """A `Database`. Its tables are in a schema of their own, which the first use makes.

    Commits are as durable as the server is configured; with `durable`, on disk. A transaction that finds its
    connection broken before the commit is repeated once, on a new connection. One that is not done within
    eight seconds is given up, whatever the server does, and so is one that waits for a connection while the
    server responds to nobody for so long.
    """

    def __init__(
        self, connections: PostgresConnections, on_open: Callable[[], Transaction[None]] | None = None
    ) -> None:
        """`on_open` is the first transaction after the tables were made or checked."""
        self.pool_use: Final = connections.pool_use
        self._connections = connections
        self._on_open = on_open
        self._writes = Writes()
        self._migration: asyncio.Task[None] | None = None
        self._migrated = False

    async def read(self, work: Callable[[], Transaction[T]]) -> T:
        return await self._mapped(self._run(work, ()), None)

    async def write(self, work: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        begin = _BEGIN_DURABLE if durable else _BEGIN
        return await self._mapped(self._run(work, begin), "write")

    async def batches(self, work: Callable[[], Transaction[T]]) -> T:
        """See `Database`. Statements that are sent together are a transaction (PostgreSQL 34.5.1)."""
        return await self._mapped(self._attempt(work(), ()), "batches")

    async def check(self) -> str:
        [[version]] = await self.read(lambda: query("SHOW server_version"))
        self._writes.check()
        return f"PostgreSQL {version}, tables of version {SCHEMA_VERSION}"

    async def exists(self) -> bool:
        return True

    async def scrub(self) -> None:
        """See `Database`. PostgreSQL's vacuum reuses the space of what was deleted."""

    async def aclose(self) -> None:
        await end_tasks(self._migration)
        await self._connections.drop_idle()

    async def _mapped(self, running: Awaitable[T], kind: Kind | None) -> T:
        """The result of `running`, or what it raises as an error of the database."""
        try:
            result = await running
        except _LostError:
            raise unavailable("it has closed the connection") from None
        except Exception as error:
            if isinstance(error, TimeoutError):  # the connections that are not used hang, too
                await self._connections.drop_idle()
            if (mapped := failure(error)) is None:
                raise
            if kind is not None and getattr(error, "sqlstate", None) in _NOT_WRITTEN:
                self._writes.failed(kind, mapped)
            raise mapped from None
        if kind is not None:
            self._writes.succeeded(kind)
        return result

    async def _run(self, work: Callable[[], Transaction[T]], begin: Sequence[Statement]) -> T:
        try:
            return await self._attempt(work(), begin)
        except _LostError:
            await self._connections.drop_idle()
        return await self._attempt(work(), begin)

    async def _attempt(self, transaction: Transaction[T], begin: Sequence[Statement]) -> T:
        async with self._connection() as connection:
            try:
                result = await _driven(connection, transaction, begin)
            except Exception:
                if connection.broken:
                    raise _LostError from None
                if begin:
                    await connection.execute("ROLLBACK")
                raise
            if begin:
                await connection.execute("COMMIT")
            return result

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator["Connection"]:
        """A connection whose schema is migrated, for one transaction."""
        if not self._migrated:
            async with asyncio.timeout(SECONDS):
                await self._prepared()
        async with self._connections.connection(SECONDS) as connection:
            yield connection

    async def _prepared(self) -> None:
        """Waits until the tables exist. Making them takes longer than a transaction may, and is not given up
        with those that wait for it.
        """
        if self._migration is None or self._migration.done():
            self._migration = asyncio.create_task(self._migrate(), name="tables of conversations")
            self._migration.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._migration)

    async def _migrate(self) -> None:
        async with self._connections.connection(_MIGRATION_SECONDS) as connection:
            await migrate(connection)
            if self._on_open is not None:
                await _driven(connection, self._on_open(), ())
            self._migrated = True


class _LostError(Exception):
    """The connection was lost before the commit: nothing was done."""


async def _driven(connection: "Connection", transaction: Transaction[T], begin: Sequence[Statement]) -> T:
    try:
        statements = next(transaction)
        results = (await _executed(connection, [*begin, *statements]))[len(begin) :]
        while True:
            statements = transaction.send(results)
            results = await _executed(connection, statements)
    except StopIteration as end:
        result: T = end.value
        return result


async def _executed(connection: "Connection", statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each statement. Several are sent together."""
    if len(statements) == 1:
        cursor = await connection.execute(_sql(statements[0]), statements[0].values, binary=True)
        return [await _rows_of(cursor)]
    async with connection.pipeline():
        cursors = [
            await connection.execute(_sql(statement), statement.values, binary=True)
            for statement in statements
        ]
    return [await _rows_of(cursor) for cursor in cursors]


async def _rows_of(cursor: "AsyncCursor[tuple[Any, ...]]") -> Rows:
    """The rows of a statement, if it is one that returns rows."""
    if not cursor.description:
        return ()
    return await cursor.fetchall()


def _sql(statement: Statement) -> bytes:
    return _encoded(statement.sql, statement.lock)


@lru_cache(1000)
def _encoded(sql: str, lock: bool) -> bytes:
    """psycopg's placeholders are `%s`. SQLite needs no lock: it has one writer at a time."""
    with_placeholders = sql.replace("%", "%%").replace("?", "%s")
    if lock:
        with_placeholders += " FOR UPDATE"
    return with_placeholders.encode()
