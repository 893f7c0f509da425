"""The PostgreSQL of tests: one server for each test process, its tables emptied before each test."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from agent.conversations.database.postgres_connections import SCHEMA
from tests.databases.postgres_process import PostgresProcess, postgres_process

PASSWORD = "postgres-password"
_LARGE = 1_000_000
"""Bytes of a table from which on removing its rows takes longer than making its files anew."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresProcess]:
    """One server for all tests of a process, which must leave it running."""
    with postgres_process(password=PASSWORD) as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresProcess) -> PostgresProcess:
    """The server without data. The tables stay: making them takes longer than the tests."""
    with psycopg.connect(postgres_server.url) as connection:
        tables = [name for name in tables_of(connection) if not name.endswith(("migrations", "version"))]
        if tables:
            _empty(connection, tables)
    return postgres_server


def _empty(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    """Waits for what still writes, and removes all rows."""
    of_each = "SELECT name, pg_table_size(name::regclass) FROM unnest(%s::text[]) AS name"
    large = {name for name, size in connection.execute(of_each, (tables,)) if size > _LARGE}
    removals = [f"{'TRUNCATE' if name in large else 'DELETE FROM'} {name}" for name in tables]
    connection.execute("; ".join([f"LOCK TABLE {', '.join(tables)}", *removals]))


def tables_of(connection: psycopg.Connection[Any]) -> list[str]:
    """The tables of conversations, LangGraph's too."""
    sql = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = %s"
    return [name for [name] in connection.execute(sql, (SCHEMA,))]


def stored_in(server: PostgresProcess) -> str:
    """All rows of all tables, with bytes as text and as hexadecimal digits."""
    with psycopg.connect(server.url) as connection:
        rows = [
            row
            for name in tables_of(connection)
            for row in connection.execute(f"SELECT * FROM {name}")  # noqa: S608 - names of tables
        ]
    values = [value for row in rows for value in row]
    return "\n".join(
        f"{value.decode('latin-1')} {value.hex()}" if isinstance(value, bytes) else str(value)
        for value in values
    )
