"""Ended spans in the form of OpenTelemetry's SDK, and their way to an exporter."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agent.operations.otlp import ExportFailures, agent_resource
from identity.observation.attribute import Attribute
from identity.observation.span import RecordedSpan
from identity.observation.span import SpanKind as Role

_SCOPE: Final = InstrumentationScope("idaas_agent")
_KINDS: Final = {Role.INTERNAL: SpanKind.INTERNAL, Role.SERVER: SpanKind.SERVER, Role.CLIENT: SpanKind.CLIENT}
_STOP_SECONDS: Final = 3.0


def otlp_spans(options: Mapping[str, Any], failed: Callable[[], None]) -> "SpanExport":
    """Exports spans over OTLP (HTTP, protobuf) in batches, from a thread. `failed` is called after each
    failure.
    """
    reported = ReportedExporter(OTLPSpanExporter(**options), ExportFailures("spans", failed))
    return SpanExport(BatchSpanProcessor(reported), agent_resource())


class SpanExport:
    """A `SpanSink`: gives spans to `processor`, which exports them in a thread of its own."""

    def __init__(self, processor: SpanProcessor, resource: Resource) -> None:
        self._processor = processor
        self._resource = resource

    def ended(self, span: RecordedSpan) -> None:
        self._processor.on_end(readable(span, self._resource))

    def stop(self) -> None:
        """Exports what is left, for at most three seconds: a collector that is away delays no stop."""
        thread = threading.Thread(target=self._processor.shutdown, name="last spans", daemon=True)
        thread.start()
        thread.join(_STOP_SECONDS)


class ReportedExporter(SpanExporter):
    """`exporter`, whose failures are reported."""

    def __init__(self, exporter: SpanExporter, failures: ExportFailures) -> None:
        self._exporter = exporter
        self._failures = failures

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        succeeded = self._failures.succeeds(lambda: self._exporter.export(spans))
        return SpanExportResult.SUCCESS if succeeded else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._exporter.shutdown()


def readable(span: RecordedSpan, resource: Resource) -> ReadableSpan:
    """`span` as the SDK's value. Its status has no description and it has no events: neither has a text."""
    attributes = {**span.trace.attributes, **span.attributes}
    if span.error:
        attributes[Attribute.ERROR_TYPE] = span.error
    own = span.trace.trace_id
    parent = None if span.parent_id is None else _context(own, span.parent_id)
    links = []
    if (link := span.link) is not None:
        links.append(Link(_context(link.trace_id, link.span_id, link.sampled)))
    status = StatusCode.ERROR if _is_failure(span) else StatusCode.UNSET
    return ReadableSpan(
        name=span.name,
        context=_context(own, span.span_id),
        parent=parent,
        resource=resource,
        attributes={name.value: value for name, value in attributes.items()},
        links=links,
        kind=_KINDS[span.kind],
        status=Status(status),
        start_time=span.started_at,
        end_time=span.ended_at,
        instrumentation_scope=_SCOPE,
    )


def _is_failure(span: RecordedSpan) -> bool:
    """By the HTTP convention, a server that refuses a request (4xx) has not failed."""
    status = span.attributes.get(Attribute.HTTP_STATUS, 0)
    refuses = span.kind is Role.SERVER and isinstance(status, int) and 400 <= status < 500
    return bool(span.error) and not refuses


def _context(trace_id: int, span_id: int, sampled: bool = True) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(sampled))
