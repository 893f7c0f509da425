"""Counters in a file of this test, and databases that several processes share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.conversations.database.sqlite_database import SqliteDatabase
from plugins.policy.counters import CallCounters
from tests.agent.conftest import database as database
from tests.agent.conftest import new_database as new_database


@pytest.fixture
async def counters(tmp_path: Path) -> AsyncIterator[CallCounters]:
    made = SqliteDatabase(tmp_path / "conversations.db")
    yield CallCounters(made)
    await made.aclose()
