"""The store of threads over each kind of database."""

import pytest

from agent.conversations.database.database import Database
from agent.conversations.threads import ThreadStore
from tests.agent.conversations.stored_threads import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(database: Database, clock: Clock) -> ThreadStore:
    return ThreadStore(database, clock=clock)
