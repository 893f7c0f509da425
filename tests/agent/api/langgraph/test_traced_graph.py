"""Runs that a LangGraph server executes are traces, with the spans of every other surface."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from agent.api.langgraph.traced_graph import RunSpans, TracedGraph
from agent.operations.traces.tracer import Tracer, sampler
from agent.settings.variables.observation import SamplerName
from graph.context import AgentContext
from identity.errors import AccessTokenError
from identity.observation.request_context import user_hash
from identity.observation.span import CURRENT_SPAN, NO_SPAN
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.graph.bench import Bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tests.recorded_spans import Spans

ISSUER = "https://idaas.example"
GIVEN = {"messages": [("user", "canary question")]}
CONFIG: Any = {"configurable": {"thread_id": "t1", "langgraph_auth_user": SimpleNamespace(identity="alice")}}


def traced(spans: Spans, bench: Bench, name: SamplerName = "always_on") -> TracedGraph:
    return TracedGraph.of(bench.graph, RunSpans(Tracer(spans, sampler(name)), ISSUER, "hash"))


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def bench() -> Bench:
    service = EchoService("notes", find="canary result")
    return Bench([calls(("find", {"title": "canary argument"})), DONE], [service])


async def read(graph: TracedGraph) -> None:
    """Takes each step in a task of its own, as the server does."""
    stream = graph.astream(GIVEN, CONFIG, context=AgentContext(Secret("alice-at")), stream_mode="values")
    while await asyncio.create_task(anext(stream, None)) is not None:  # type: ignore[arg-type]  # an awaitable, not a coroutine
        assert CURRENT_SPAN.get() is NO_SPAN


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_run_is_one_trace_of_its_caller_and_thread(spans: Spans, bench: Bench) -> None:
    await read(traced(spans, bench).copy({"checkpointer": None}))  # as servers do
    assert {(span.name, spans.parent(span)) for span in spans} == {
        ("invoke_agent idaas-agent", None),
        ("chat", "invoke_agent idaas-agent"),
        ("execute_tool find", "invoke_agent idaas-agent"),
    }
    assert len({span.context.trace_id for span in spans}) == 1
    for span in spans:
        shown = attributes(span)
        assert shown["user.hash"] == user_hash(Principal(ISSUER, "alice"))
        assert shown["gen_ai.conversation.id"] == "t1"
    assert attributes(spans.one("invoke_agent idaas-agent"))["gen_ai.operation.name"] == "invoke_agent"


@pytest.mark.promise("no-secret-leaves")
async def test_spans_have_neither_content_nor_a_token(spans: Spans, bench: Bench) -> None:
    await read(traced(spans, bench))
    texts = dict(spans.texts())
    assert len(texts) > 2
    assert [place for place, text in texts.items() if "canary" in text or "alice-at" in text] == []


async def test_run_that_is_not_sampled_has_no_spans(spans: Spans, bench: Bench) -> None:
    await read(traced(spans, bench, "always_off"))
    assert list(spans) == []
    assert len(bench.services[0].calls) == 1


async def test_failure_is_shown_by_its_code(spans: Spans, bench: Bench) -> None:
    bench.tokens.refused.add("alice-at")
    with pytest.raises(AccessTokenError):
        await read(traced(spans, bench))
    assert attributes(spans.one("invoke_agent idaas-agent"))["error.type"] == "access_token_invalid"


async def test_run_that_is_left_by_its_server_is_cancelled(spans: Spans, bench: Bench) -> None:
    stream = traced(spans, bench).astream(GIVEN, CONFIG, context=AgentContext(Secret("alice-at")))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # a generator
    assert attributes(spans.one("invoke_agent idaas-agent"))["error.type"] == "cancelled"


async def test_without_traces_the_run_is_the_same(bench: Bench) -> None:
    await read(TracedGraph.of(bench.graph))
    assert len(bench.services[0].calls) == 1


async def test_run_of_the_event_streaming_protocol_is_one_trace_too(spans: Spans, bench: Bench) -> None:
    context = AgentContext(Secret("alice-at"))
    stream = await traced(spans, bench).astream_events(GIVEN, CONFIG, version="v3", context=context)
    async for _ in stream:
        pass
    tree = {(span.name, spans.parent(span)) for span in spans}
    assert tree >= {("invoke_agent idaas-agent", None), ("chat", "invoke_agent idaas-agent")}
    assert len({span.context.trace_id for span in spans}) == 1
