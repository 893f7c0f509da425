"""Tables of version 1, which had no log of writes: what they contain is read, and their loss is noticed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.schema import APPLICATION_ID, POSTGRES_TYPES, SQLITE_TYPES, migrations
from agent.operations.revocation.database_store import DatabaseStore
from identity.access_token.revocation import Revocation
from identity.secrets.secret import Secret
from tests.agent.operations.revocation.test_stores import (
    ALICE,
    BOB,
    CAROL,
    at_once,
    ended,
    file_store,
    read,
    revocation,
)
from tests.databases.postgres_process import PostgresProcess

pytestmark = pytest.mark.promise("revoked-refused")

_ROW = "INSERT INTO revocations (target, origin, name, until, changed_at, seq) VALUES ({})"


@dataclass
class Earlier:
    """A database of version 1 with the revocations of alice and bob."""

    open: Callable[[], DatabaseStore]
    write: Callable[[Sequence[Revocation]], None]
    """As a process of version 1 does."""


def tables(types: dict[str, str]) -> list[str]:
    """The statements of version 1."""
    return migrations(0, types)[: -len(migrations(1, types))]


def written(connection: Any, revocations: Sequence[Revocation], mark: str) -> None:
    for each in revocations:
        [last] = connection.execute("SELECT coalesce(max(seq), 0) FROM revocations").fetchone()
        values = (each.target.value, each.origin.value, each.name, each.until, each.changed_at, last + 1)
        connection.execute(_ROW.format(", ".join([mark] * len(values))), values)


@pytest.fixture(params=["file", "postgres"])
async def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Earlier]:
    async with AsyncExitStack() as opened:
        if request.param == "file":
            path = tmp_path / "revocations.sqlite"
            with closing(sqlite3.connect(path)) as connection:
                for statement in tables(SQLITE_TYPES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("PRAGMA user_version = 1")

            def write(revocations: Sequence[Revocation]) -> None:
                with closing(sqlite3.connect(path)) as connection, connection:
                    written(connection, revocations, "?")

            def store() -> DatabaseStore:
                made = file_store(path)
                opened.push_async_callback(made.aclose)
                return made

            write([ALICE, BOB])
            yield Earlier(store, write)
        else:
            server: PostgresProcess = request.getfixturevalue("postgres")
            url = server.url_of("earlier")
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE earlier STRATEGY file_copy")
            with psycopg.connect(url, autocommit=True, options="-c search_path=idaas_agent") as connection:
                connection.execute("CREATE SCHEMA idaas_agent")
                for statement in tables(POSTGRES_TYPES):
                    connection.execute(statement.encode())
                connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
                connection.execute("INSERT INTO schema_version VALUES (1)")

            def write_rows(revocations: Sequence[Revocation]) -> None:
                with psycopg.connect(url, options="-c search_path=idaas_agent") as connection:
                    written(connection, revocations, "%s")

            def shared_store() -> DatabaseStore:
                database = PostgresDatabase(PostgresConnections(conninfo(Secret(url)), most=2))
                made = DatabaseStore(database, "PostgreSQL", shared=True, sleep=at_once)
                opened.push_async_callback(made.aclose)
                return made

            write_rows([ALICE, BOB])
            try:
                yield Earlier(shared_store, write_rows)
            finally:
                await opened.aclose()
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute("DROP DATABASE earlier WITH (FORCE)")


async def test_revocations_of_earlier_tables_are_read_and_later_ones_follow(earlier: Earlier) -> None:
    changes = earlier.open().changes()
    assert await read(changes) == {ALICE, BOB}
    await earlier.open().put([CAROL])
    async with asyncio.timeout(60):
        assert [*await anext(changes)] == [CAROL]
    await changes.aclose()


async def test_revocation_that_an_earlier_process_stores_beside_later_ones_is_received(
    earlier: Earlier,
) -> None:
    changes = earlier.open().changes()
    await read(changes)
    await asyncio.to_thread(earlier.write, [CAROL])
    async with asyncio.timeout(60):
        assert [*await anext(changes)] == [CAROL]
    later = revocation("dara")
    await earlier.open().put([later])
    await ended(changes)
    again = earlier.open().changes()
    assert await read(again) == {ALICE, BOB, CAROL, later}
    await again.aclose()
