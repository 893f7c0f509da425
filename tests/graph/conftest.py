"""A bench for graphs under test, and what its tests use."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from identity.observation.span import CURRENT_SPAN, RecordedSpan, SpanKind, Trace
from tests.graph.models.wire_model import WireModel

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
def wire_model() -> WireModel:
    return WireModel()


class _Ended(list[RecordedSpan]):
    def ended(self, span: RecordedSpan) -> None:
        self.append(span)


@pytest.fixture
def ended_spans() -> Iterator[list[RecordedSpan]]:
    """The spans that end within the current one."""
    ended = _Ended()
    outer = CURRENT_SPAN.set(RecordedSpan(Trace(1, ended, receivers=frozenset()), "run", SpanKind.INTERNAL))
    yield ended
    CURRENT_SPAN.reset(outer)
