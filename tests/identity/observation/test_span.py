"""Spans nest, keep to the allow-list, and record nothing without a sampled trace."""

import asyncio
from collections.abc import Iterator

import pytest

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.observation.attribute import CONTENT, Attribute
from identity.observation.metrics import Histogram
from identity.observation.request_context import carried_context
from identity.observation.span import (
    CURRENT_SPAN,
    MAX_CHARACTERS,
    MAX_CONTENT,
    NO_SPAN,
    RecordedSpan,
    SpanKind,
    Trace,
    UnsampledSpan,
    timed_span,
)
from identity.observation.traceparent import Receiver, parse_traceparent


@pytest.fixture(autouse=True)
def no_span() -> Iterator[None]:
    outer = CURRENT_SPAN.set(NO_SPAN)
    yield
    CURRENT_SPAN.reset(outer)


SERVICES = frozenset({Receiver.SERVICES})


class Ended(list[RecordedSpan]):
    """A sink that keeps the ended spans."""

    def ended(self, span: RecordedSpan) -> None:
        self.append(span)


def root(sink: Ended, *, content: bool = False) -> RecordedSpan:
    trace = Trace(0xABC, sink, receivers=SERVICES, content=content)
    return RecordedSpan(trace, "GET", SpanKind.SERVER)


def timed(operation: str, subject: str = "", kind: SpanKind = SpanKind.INTERNAL) -> timed_span:
    return timed_span(Histogram(), (), operation, subject, kind)


async def test_spans_nest_in_the_order_of_their_blocks_also_across_tasks() -> None:
    ended = Ended()
    server = root(ended)
    CURRENT_SPAN.set(server)

    async def run() -> None:
        with timed("invoke_agent", "agent"), timed("chat"):
            pass

    await asyncio.get_running_loop().create_task(run(), context=carried_context())
    with timed("issue", "token_exchange", SpanKind.CLIENT):
        pass
    chat, agent, issue = ended
    assert [span.name for span in ended] == ["chat", "invoke_agent agent", "issue token_exchange"]
    assert chat.parent_id == agent.span_id
    assert agent.parent_id == issue.parent_id == server.span_id
    assert server.ended_at == 0
    assert issue.kind is SpanKind.CLIENT
    assert all(span.ended_at >= span.started_at for span in ended)


def test_failure_names_the_span_and_its_seconds_by_its_code_and_without_its_text() -> None:
    ended, seconds = Ended(), Histogram()
    CURRENT_SPAN.set(root(ended))
    for error in (UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "secret"), ValueError("secret")):
        with pytest.raises(type(error)), timed_span(seconds, ("qwen",), "chat"):
            raise error
    with timed_span(seconds, ("qwen",), "chat") as chat:
        chat.fail("tool_error")
    codes = ["idaas_unreachable", "_OTHER", "tool_error"]
    assert [span.error for span in ended] == codes
    assert list(seconds.values) == [("qwen", code) for code in codes]
    assert "secret" not in repr([span.attributes for span in ended])


def test_first_failure_counts_and_the_span_ends_once() -> None:
    ended = Ended()
    span = root(ended)
    for code in ("", "rate_limited", "internal_error"):
        span.fail(code)
        span.end()
    assert [span.error for span in ended] == ["rate_limited"]


@pytest.mark.parametrize("attribute", sorted(CONTENT))
def test_content_is_recorded_only_if_the_trace_allows_it(attribute: Attribute) -> None:
    without, allowed = root(Ended()), root(Ended(), content=True)
    for span in (without, allowed):
        span.set(attribute, "x" * 100_000)
        span.set_for_trace(attribute, "x")
    assert (without.attributes, without.trace.attributes) == ({}, {})
    assert allowed.attributes == {attribute: "x" * MAX_CONTENT}
    assert allowed.trace.attributes == {}


def test_long_text_is_cut_and_none_is_no_value() -> None:
    span = root(Ended())
    span.set(Attribute.TOOL, "x" * 1000)
    span.set(Attribute.AUDIENCE, None)
    assert span.attributes == {Attribute.TOOL: "x" * MAX_CHARACTERS}


def test_context_goes_to_listed_receivers_alone() -> None:
    span = root(Ended())
    context = parse_traceparent(span.traceparent(Receiver.SERVICES) or "")
    assert context is not None
    assert (context.trace_id, context.span_id, context.sampled) == (0xABC, span.span_id, True)
    assert [span.traceparent(other) for other in set(Receiver) - SERVICES] == [None] * 3


def test_unsampled_trace_tells_its_receivers_and_records_nothing() -> None:
    span = UnsampledSpan(0xABC, SERVICES)
    CURRENT_SPAN.set(span)
    with timed("chat") as inner:
        assert inner.span is span
        inner.span.set(Attribute.TOOL, "x")
    assert (span.traceparent(Receiver.SERVICES) or "").endswith("-00")
    assert span.traceparent(Receiver.MODEL) is None
    assert span.trace_id is None


def test_without_a_trace_there_is_no_span_and_no_context() -> None:
    with timed("chat") as chat:
        span = chat.span
        assert span is NO_SPAN
        assert CURRENT_SPAN.get() is NO_SPAN
        assert span.child("x", SpanKind.CLIENT) is NO_SPAN
    assert [span.traceparent(receiver) for receiver in Receiver] == [None] * 4
