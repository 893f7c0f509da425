"""The tables in PostgreSQL, the agent's and LangGraph's: made by the process that starts first."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from agent.conversations.database.postgres_connections import SCHEMA
from agent.conversations.database.schema import POSTGRES_TYPES, SCHEMA_VERSION, migrations

if TYPE_CHECKING:
    from agent.conversations.database.postgres_connections import Connection

_LOCK: Final = 0x1DAA5A6E
_LOCK_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.05


async def migrate(connection: "Connection") -> None:
    """Brings the tables to the version of this code. Tables that have it already are only read.

    Raises `ConfigurationError` if it is not known to this code, and `TimeoutError` if another process
    migrates for half a minute.
    """
    until = time.monotonic() + _LOCK_SECONDS
    # Waiting in the server would be a deadlock: LangGraph makes indexes that wait for all other statements.
    while not await _value(connection, "SELECT pg_try_advisory_lock(%s)", _LOCK):
        if time.monotonic() > until:
            raise TimeoutError
        await asyncio.sleep(_PAUSE_SECONDS)
    try:
        async with connection.transaction():
            await _own(connection)
        await _langgraph(connection)
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _own(connection: "Connection") -> None:
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


async def _langgraph(connection: "Connection") -> None:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    saver = AsyncPostgresSaver(connection)  # type: ignore[arg-type] # its cursors have rows of their own kind
    version = None
    if await _value(connection, "SELECT to_regclass('checkpoint_migrations')::text"):
        version = await _value(connection, "SELECT max(v) FROM checkpoint_migrations")
    if version is None or version < len(saver.MIGRATIONS) - 1:
        await saver.setup()


async def _value(connection: "Connection", sql: str, *values: object) -> Any:  # noqa: ANN401 - a column's
    cursor = await connection.execute(sql.encode(), values)
    row = await cursor.fetchone()
    return row[0] if row else None
