"""Which traces are recorded: the samplers of OpenTelemetry, by the values of OTEL_TRACES_SAMPLER."""

from collections.abc import Callable
from typing import Final, TypeAlias

from agent.settings.variables.otel import SamplerName
from identity.observation.traceparent import TraceContext

Sampler: TypeAlias = Callable[[int, TraceContext | None], bool]
"""Whether a trace is recorded, by its id and, if its caller is trusted, by what the caller does."""

_LOW_BITS: Final = (1 << 64) - 1


def sampler(name: SamplerName, ratio: float = 1.0) -> Sampler:
    """The sampler `name`; `ratio` is the share of traces that a `traceidratio` records.

    By the SDK's rule: agents and services with one ratio record the same traces.
    """
    share = {SamplerName.ALWAYS_ON: 1.0, SamplerName.PARENT_ALWAYS_ON: 1.0}.get(name, ratio)
    if name in (SamplerName.ALWAYS_OFF, SamplerName.PARENT_ALWAYS_OFF):
        share = 0.0
    bound = round(share * (1 << 64))

    def by_id(trace_id: int, _: TraceContext | None) -> bool:
        return trace_id & _LOW_BITS < bound

    def by_parent(trace_id: int, parent: TraceContext | None) -> bool:
        return by_id(trace_id, None) if parent is None else parent.sampled

    return by_parent if name.startswith("parentbased_") else by_id
