"""Traces: one for each request, unless a trusted caller's is continued. Off by default.

OpenTelemetry's SDK is imported only while the settings export spans.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, TypeAlias

from agent.operations.otlp import exporter_options
from agent.settings.settings import Settings
from agent.settings.variables.observation import SamplerName
from identity.observation.attribute import Attribute
from identity.observation.span import RecordedSpan, Span, SpanKind, SpanSink, Trace, UnsampledSpan, Value
from identity.observation.traceparent import Receiver, TraceContext

Sampler: TypeAlias = Callable[[int, TraceContext | None], bool]
"""Whether a trace is recorded, by its id and, if its caller is trusted, by what the caller does."""

_LOW_BITS: Final = (1 << 64) - 1
_PROPAGATOR: Final = "tracecontext"
_PARENT_BASED: Final = "parentbased_"


@dataclass(frozen=True, slots=True)
class Tracer:
    """Begins traces whose spans go to `sink`. `receivers` may know of a trace. Every span has `attributes`.
    `stop` exports what is left.

    `trusts_callers`: a caller's trace is continued, and its decision whether it is recorded may count. If
    not, the agent's own trace has a link to it, because a `traceparent` is a claim: any caller could join a
    trace of others, or have everything recorded.
    """

    sink: SpanSink
    sampler: Sampler
    _: KW_ONLY
    receivers: frozenset[Receiver] = frozenset()
    trusts_callers: bool = False
    content: bool = False
    attributes: Mapping[Attribute, Value] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None

    def begin(self, name: str, kind: SpanKind, inbound: TraceContext | None) -> Span:
        """The first span in this process of the trace of one request. `inbound` is its caller's context."""
        parent = inbound if self.trusts_callers else None
        trace_id = parent.trace_id if parent is not None else random.getrandbits(128) or 1
        if not self.sampler(trace_id, parent):
            return UnsampledSpan(trace_id, self.receivers)
        trace = Trace(trace_id, self.sink, receivers=self.receivers, content=self.content)
        trace.attributes.update(self.attributes)
        if parent is None:
            return RecordedSpan(trace, name, kind, None, link=inbound)
        return RecordedSpan(trace, name, kind, parent.span_id)


def tracer_of(settings: Settings, failed: Callable[[], None]) -> Tracer | None:
    """The tracer of the settings, with the export of its spans; `None` while traces are off.

    `failed` is called after each export that failed, in a thread.
    """
    options = exporter_options(settings, "traces")
    if options is None:
        return None
    from agent.operations.traces.span_export import otlp_spans

    export = otlp_spans(options, failed)
    return tracer(settings, export, export.stop)


def tracer(settings: Settings, sink: SpanSink, stop: Callable[[], None] = lambda: None) -> Tracer:
    """A tracer as the settings describe it, whose spans go to `sink`."""
    s = settings
    propagates = _PROPAGATOR in s.otel_propagators
    receivers = s.traceparent_receivers if propagates else ()
    return Tracer(
        sink,
        sampler(s.otel_traces_sampler, s.otel_traces_sampler_arg),
        receivers=frozenset(receivers),
        trusts_callers=s.traceparent_trusted and propagates,
        content=s.otel_instrumentation_genai_capture_message_content == "SPAN_ONLY",
        attributes={Attribute.CLIENT: s.idaas.client_id},
        stop=stop,
    )


def sampler(name: SamplerName, ratio: float = 1.0) -> Sampler:
    """The sampler `name`; `ratio` is the share of traces that a `traceidratio` records.

    By the SDK's rule: agents and services with one ratio record the same traces.
    """
    shares = {"always_on": 1.0, "always_off": 0.0, "traceidratio": ratio}
    bound = round(shares[name.removeprefix(_PARENT_BASED)] * (1 << 64))

    def by_id(trace_id: int, _: TraceContext | None) -> bool:
        return trace_id & _LOW_BITS < bound

    def by_parent(trace_id: int, parent: TraceContext | None) -> bool:
        return by_id(trace_id, None) if parent is None else parent.sampled

    return by_parent if name.startswith(_PARENT_BASED) else by_id
