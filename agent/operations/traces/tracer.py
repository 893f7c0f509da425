"""Begins traces: one for each request, unless a trusted caller's is continued."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from agent.operations.traces.sampling import Sampler
from identity.observation.attribute import Attribute
from identity.observation.span import RecordedSpan, Span, SpanKind, SpanSink, Trace, UnsampledSpan, Value
from identity.observation.traceparent import Receiver, TraceContext


class Tracer:
    """Begins traces whose spans go to `sink`."""

    def __init__(
        self,
        sink: SpanSink,
        sampler: Sampler,
        *,
        receivers: Iterable[Receiver] = (),
        trusts_callers: bool = False,
        content: bool = False,
        attributes: Mapping[Attribute, Value] | None = None,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """`receivers` may know of a trace. `attributes` are those of every span. `stop` exports what is left.

        `trusts_callers`: a caller's trace is continued, and its decision whether it is recorded may count.
        If not, the agent's own trace has a link to it, because a `traceparent` is a claim: any caller could
        join a trace of others, or have everything recorded.
        """
        self.stop: Final = stop
        self._sink = sink
        self._sampler = sampler
        self._receivers = frozenset(receivers)
        self._trusts_callers = trusts_callers
        self._content = content
        self._attributes = dict(attributes or {})

    def begin(self, name: str, kind: SpanKind, inbound: TraceContext | None) -> Span:
        """The first span in this process of the trace of one request. `inbound` is its caller's context."""
        parent = inbound if self._trusts_callers else None
        trace_id = parent.trace_id if parent is not None else random.getrandbits(128) or 1
        if not self._sampler(trace_id, parent):
            return UnsampledSpan(trace_id, self._receivers)
        trace = Trace(trace_id, self._sink, receivers=self._receivers, content=self._content)
        trace.attributes.update(self._attributes)
        parent_id = None if parent is None else parent.span_id
        return RecordedSpan(trace, name, kind, parent_id, link=None if parent is not None else inbound)
