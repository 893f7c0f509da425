"""Spans over OTLP (HTTP, protobuf), by OpenTelemetry's exporter and batch processor."""

from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agent.operations.otlp_resource import agent_resource, otlp_headers
from agent.operations.otlp_signal import OtlpSignal
from agent.operations.traces.span_export import ReportedExporter, SpanExport


def otlp_spans(signal: OtlpSignal, failed: Callable[[], None]) -> SpanExport:
    """Exports spans in batches, from a thread. `failed` is called after each failure."""
    exporter = OTLPSpanExporter(signal.endpoint, headers=otlp_headers(signal.headers))
    return SpanExport(BatchSpanProcessor(ReportedExporter(exporter, failed)), agent_resource())
