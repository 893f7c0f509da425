"""A log to verify."""

from pathlib import Path

import pytest

from tests.agent.operations.audit.audit_lines import CALLS, write_log


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A log of one process: `audit_started`, four calls, `audit_ended`."""
    path = tmp_path / "audit.jsonl"
    await write_log(path, *CALLS)
    return path
