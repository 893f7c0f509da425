"""The databases of conversations: every test of the store runs on each of them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.conversations.database import Database
from agent.conversations.sqlite_database import SqliteDatabase

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
