"""Counters in a file of this test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.policy.counters import CallCounters


@pytest.fixture
async def counters(tmp_path: Path) -> AsyncIterator[CallCounters]:
    database = SqliteDatabase(tmp_path / "conversations.db")
    yield CallCounters(database)
    await database.aclose()
