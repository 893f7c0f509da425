"""The spans of an agent."""

import pytest

from tests.recorded_spans import Spans


@pytest.fixture
def spans() -> Spans:
    return Spans()
