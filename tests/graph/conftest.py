"""A bench for graphs under test, and what its tests use."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from langchain_core.messages import AIMessage

from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.observation.span import CURRENT_SPAN, RecordedSpan, SpanKind, Trace
from identity.principal import AccessIdentity
from tests.graph.bench import Bench
from tests.graph.echo_service import EchoService
from tests.graph.models.wire_model import WireModel
from tests.graph.scripted_model import calls

BenchOf = Callable[..., Bench]
CallTools = Callable[..., AIMessage]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
def bench() -> BenchOf:
    """`bench(turns, *services, access_identity=…, **options of build_graph)`."""

    def make(model, *services, access_identity=AccessIdentity.MACHINE, **options):
        return Bench(model, list(services), access_identity, options)

    return make


@pytest.fixture
def echo() -> type[EchoService]:
    return EchoService


@pytest.fixture
def call_tools() -> CallTools:
    return calls


@pytest.fixture
def amap_key() -> ApiKeyRequirement:
    return ApiKeyRequirement("amap_api_key")


@pytest.fixture
def enterprise_scope() -> AccessTokenRequirement:
    return AccessTokenRequirement("https://enterprise.example|service.invoke")


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
