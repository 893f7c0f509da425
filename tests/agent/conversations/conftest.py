"""The databases of conversations: every test of the stores runs on each of them. And processes with runs."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.conversations.database.database import ConversationDatabase, Database
from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.encryption.key_register import KeyRegister
from agent.conversations.threads import ThreadStore
from identity.secrets.secret import Secret
from tests.agent.conversations.processes import ProcessOf, SharedDatabase
from tests.agent.conversations.stored_threads import Clock

NewDatabase = Callable[..., ConversationDatabase]
"""Makes another connection to the same data, as another process has it; an `Encryption` is checked."""


@pytest.fixture(params=["sqlite", "postgresql"])
async def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewDatabase]:
    made: list[ConversationDatabase] = []
    url = request.getfixturevalue("postgres").url if request.param == "postgresql" else None

    def make(encryption: Encryption | None = None) -> ConversationDatabase:
        on_open = None if encryption is None else KeyRegister(encryption).enter
        if url is None:
            made.append(SqliteDatabase(tmp_path / "folder" / "conversations.db", on_open))
        else:
            made.append(PostgresDatabase(PostgresConnections(conninfo(Secret(url))), on_open))
        return made[-1]

    yield make
    for database in made:
        await database.aclose()


@pytest.fixture
def database(new_database: NewDatabase) -> ConversationDatabase:
    return new_database()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ProcessOf]:
    """`process(turns, *services, name=…)`: all that a test makes share one database."""
    shared = SharedDatabase(tmp_path / "conversations.db")
    made = []

    def make(*args, **options):
        made.append(shared.process(*args, **options))
        return made[-1]

    yield make
    for each in made:
        await each.stop()
    for database in shared.opened:
        await database.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(database: Database, clock: Clock) -> ThreadStore:
    return ThreadStore(database, clock=clock)
