"""The tables in PostgreSQL: made by the process that starts first."""

from typing import TYPE_CHECKING, Any, Final

from agent.conversations.database.postgres_connections import SCHEMA
from agent.conversations.database.schema import POSTGRES_TYPES, SCHEMA_VERSION, migrations

if TYPE_CHECKING:
    from agent.conversations.database.postgres_connections import Connection

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
