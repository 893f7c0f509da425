"""Databases that several processes share."""

from pathlib import Path

import pytest

from tests.agent.conftest import database as database
from tests.agent.conftest import new_database as new_database


@pytest.fixture
def database_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where another process finds what `new_database` opens: a URL of PostgreSQL, or a file of SQLite."""
    if request.node.callspec.params["new_database"] == "postgresql":
        return str(request.getfixturevalue("postgres").url)
    return str(tmp_path / "folder" / "conversations.db")
