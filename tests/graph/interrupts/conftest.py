"""A run that waits for its user."""

import pytest

from tests.graph.interrupts.bank import Bank


@pytest.fixture
async def bank() -> Bank:
    """Alice is asked about one payment."""
    paused = Bank()
    await paused.ask()
    return paused
