"""A span that is recorded."""

import time
from typing import Final

from identity.observation.attribute import CONTENT, Attribute
from identity.observation.span import Span, SpanKind, new_span_id
from identity.observation.trace import Receiver, Trace, Value
from identity.observation.traceparent import TraceContext

MAX_CHARACTERS: Final = 256
"""Of an attribute. Names of tools, models and credentials are shorter."""
MAX_CONTENT: Final = 32_768
"""Characters of an attribute of `CONTENT`."""


class RecordedSpan:
    """A span of a sampled trace. Not thread-safe."""

    __slots__ = (
        "_began",
        "attributes",
        "ended_at",
        "error",
        "kind",
        "link",
        "name",
        "parent_id",
        "span_id",
        "started_at",
        "trace",
    )

    recording: Final = True

    def __init__(
        self,
        trace: Trace,
        name: str,
        kind: SpanKind,
        parent_id: int | None = None,
        link: TraceContext | None = None,
    ) -> None:
        """`link` is a context of another trace, which this one belongs to in some way."""
        self.trace = trace
        self.name = name
        self.kind = kind
        self.parent_id = parent_id
        self.link = link
        self.span_id = new_span_id()
        self.attributes: dict[Attribute, Value] = {}
        self.error = ""
        self.started_at = time.time_ns()
        """Unix time in nanoseconds, as `ended_at`; 0 until the end."""
        self.ended_at = 0
        self._began = time.perf_counter_ns()

    @property
    def content(self) -> bool:
        """See `Span`."""
        return self.trace.content

    @property
    def trace_id(self) -> str:
        """See `Span`."""
        return f"{self.trace.trace_id:032x}"

    def set(self, attribute: Attribute, value: Value | None) -> None:
        """See `Span`."""
        if value is not None and (attribute not in CONTENT or self.trace.content):
            self.attributes[attribute] = _cut(attribute, value)

    def set_for_trace(self, attribute: Attribute, value: Value | None) -> None:
        """See `Span`."""
        if value is not None and attribute not in CONTENT:
            self.trace.attributes[attribute] = _cut(attribute, value)

    def fail(self, code: str) -> None:
        """See `Span`."""
        self.error = self.error or code

    def rename(self, name: str) -> None:
        """See `Span`."""
        self.name = name

    def traceparent(self, receiver: Receiver) -> str | None:
        """See `Span`."""
        if receiver not in self.trace.receivers:
            return None
        return TraceContext(self.trace.trace_id, self.span_id, sampled=True).traceparent

    def child(self, name: str, kind: SpanKind) -> Span:
        """See `Span`."""
        return RecordedSpan(self.trace, name, kind, self.span_id)

    def end(self) -> None:
        """See `Span`. Further calls do nothing."""
        if not self.ended_at:
            self.ended_at = self.started_at + time.perf_counter_ns() - self._began
            self.trace.sink.ended(self)


def _cut(attribute: Attribute, value: Value) -> Value:
    longest = MAX_CONTENT if attribute in CONTENT else MAX_CHARACTERS
    return value[:longest] if isinstance(value, str) else value
