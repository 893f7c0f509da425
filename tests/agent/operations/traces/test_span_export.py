"""Spans in the form of OpenTelemetry's SDK, and what a failing exporter does."""

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

from agent.operations.otlp import ExportFailures
from agent.operations.traces.span_export import ReportedExporter, readable
from identity.observation.attribute import Attribute
from identity.observation.span import RecordedSpan, Trace
from identity.observation.span import SpanKind as Role
from identity.observation.traceparent import TraceContext


class Sink:
    def ended(self, span: RecordedSpan) -> None: ...


def span_with(kind: Role = Role.INTERNAL, error: str = "", status: int | None = None) -> RecordedSpan:
    trace = Trace(0xABC, Sink(), receivers=frozenset())
    trace.attributes[Attribute.USER_HASH] = "3c4d"
    span = RecordedSpan(trace, "name", kind, 0x12, link=TraceContext(5, 6, sampled=False))
    span.set(Attribute.HTTP_STATUS, status)
    span.fail(error)
    span.end()
    return span


def test_span_has_its_own_attributes_and_those_of_its_trace() -> None:
    shown = readable(span_with(Role.SERVER, status=200), Resource({}))
    assert shown.attributes == {"user.hash": "3c4d", "http.response.status_code": 200}
    assert (shown.name, shown.kind, shown.events) == ("name", SpanKind.SERVER, ())
    assert shown.context.trace_id == 0xABC
    assert shown.parent is not None
    assert shown.parent.span_id == 0x12
    (link,) = shown.links
    assert (link.context.trace_id, link.context.trace_flags) == (5, 0)


@pytest.mark.parametrize(
    ("kind", "error", "status", "code"),
    [
        (Role.INTERNAL, "", None, StatusCode.UNSET),
        (Role.INTERNAL, "tool_error", None, StatusCode.ERROR),
        (Role.SERVER, "rate_limited", 429, StatusCode.UNSET),
        (Role.SERVER, "internal_error", 500, StatusCode.ERROR),
        (Role.SERVER, "model_call_failed", 200, StatusCode.ERROR),
        (Role.CLIENT, "404", 404, StatusCode.ERROR),
    ],
)
def test_status_follows_the_conventions_and_has_no_text(kind, error, status, code):
    shown = readable(span_with(kind, error, status), Resource({}))
    assert (shown.status.status_code, shown.status.description) == (code, None)
    assert (shown.attributes or {}).get("error.type", "") == error


class Failing(SpanExporter):
    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self.results = list(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - as the base class
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def shutdown(self) -> None: ...


def test_failures_are_counted_and_logged_once_a_minute_without_their_text(caplog):
    failures: list[str] = []
    times = iter([0.0, 30.0, 61.0])
    failed = SpanExportResult.FAILURE
    exporter = ReportedExporter(
        Failing(SpanExportResult.SUCCESS, failed, ValueError("api-key=canary"), failed),
        ExportFailures("spans", lambda: failures.append("one"), lambda: next(times)),
    )
    with caplog.at_level(logging.WARNING):
        results = [exporter.export([]) for _ in range(4)]
    assert results == [SpanExportResult.SUCCESS, failed, failed, failed]
    assert len(failures) == 3
    assert len(caplog.records) == 2
    assert "canary" not in caplog.text
