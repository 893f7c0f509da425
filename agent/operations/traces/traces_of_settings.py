"""The tracer of the settings: off by default, with OpenTelemetry's SDK and OTLP if they say so."""

from collections.abc import Callable
from typing import Final

from agent.operations.otlp_signal import Signal, otlp_signal
from agent.operations.traces.sampling import sampler
from agent.operations.traces.tracer import Tracer
from agent.settings.settings import Settings
from agent.settings.variables.otel import CapturedContent
from identity.observation.attribute import Attribute
from identity.observation.span import SpanSink

_PROPAGATOR: Final = "tracecontext"


def tracer_of(settings: Settings, failed: Callable[[], None]) -> Tracer | None:
    """The tracer of the settings, with the export of its spans; `None` while traces are off.

    `failed` is called after each export that failed, in a thread.
    """
    signal = otlp_signal(settings, Signal.TRACES)
    if signal is None:
        return None
    from agent.operations.traces.otlp_spans import otlp_spans

    export = otlp_spans(signal, failed)
    return tracer(settings, export, export.stop)


def tracer(settings: Settings, sink: SpanSink, stop: Callable[[], None] = lambda: None) -> Tracer:
    """A tracer as the settings describe it, whose spans go to `sink`."""
    s = settings
    propagates = _PROPAGATOR in s.otel_propagators
    return Tracer(
        sink,
        sampler(s.otel_traces_sampler, s.otel_traces_sampler_arg),
        receivers=s.traceparent_receivers if propagates else (),
        trusts_callers=s.traceparent_trusted and propagates,
        content=s.otel_instrumentation_genai_capture_message_content is CapturedContent.SPAN_ONLY,
        attributes={Attribute.CLIENT: s.idaas.client_id},
        stop=stop,
    )
