"""The databases of conversations: every test of the store runs on each of them. And processes with runs."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.conversations.database import Database
from agent.conversations.sqlite_database import SqliteDatabase
from tests.agent.conversations.runs import ProcessOf, SharedDatabase

NewDatabase = Callable[[], Database]
"""Makes another connection to the same data, as another process has it."""


@pytest.fixture
async def new_database(tmp_path: Path) -> AsyncIterator[NewDatabase]:
    made: list[Database] = []

    def make() -> Database:
        made.append(SqliteDatabase(tmp_path / "folder" / "conversations.db"))
        return made[-1]

    yield make
    for database in made:
        await database.aclose()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
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
        await each.runs.aclose()
        await each.conversations.aclose()
    for database in shared.opened:
        await database.aclose()
