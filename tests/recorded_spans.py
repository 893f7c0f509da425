"""The spans of an agent, as OpenTelemetry's exporters see them."""

from collections.abc import Iterator

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent.operations.traces.span_export import SpanExport
from identity.observation.span import RecordedSpan


class Spans:
    """A `SpanSink` that keeps what it exports."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._export = SpanExport(SimpleSpanProcessor(self._exporter), Resource({}))

    def ended(self, span: RecordedSpan) -> None:
        self._export.ended(span)

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def parent(self, span: ReadableSpan) -> str | None:
        """The name of the parent."""
        if span.parent is None:
            return None
        (found,) = [other.name for other in self if other.context.span_id == span.parent.span_id]
        return found

    def texts(self) -> Iterator[tuple[str, str]]:
        """Everything that is exported, as Python shows it and as OTLP sends it."""
        for span in self:
            yield f"span {span.name}", f"{span.to_json()} {span.attributes!r}"
        yield "spans over OTLP", encode_spans(list(self)).SerializeToString().decode("latin-1")
