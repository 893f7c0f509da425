"""The metrics of the processes that serve requests."""

from typing import TYPE_CHECKING, Final

from agent.operations.metrics.metric import Kind, Metric, Values, number
from agent.operations.metrics.process_use import cpu_seconds, resident_bytes
from identity.observation.measures import SHORT_SECONDS

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures


def _pools(measures: "AgentMeasures", member: str) -> Values:
    return {(name,): getattr(use, member) for name, use in measures.pools.items()}


PROCESS_METRICS: Final = (
    Metric(
        name="idaas_agent.connection_pool.in_use",
        kind=Kind.GAUGE,
        unit="{request}",
        description="Requests in flight, by the client: idaas, model, postgresql, redis, or the service",
        labels=("idaas_agent.connection_pool.name",),
        read=lambda measures: _pools(measures, "in_use"),
    ),
    Metric(
        name="idaas_agent.connection_pool.limit",
        kind=Kind.GAUGE,
        unit="{connection}",
        description="Connections that a client may have",
        labels=("idaas_agent.connection_pool.name",),
        read=lambda measures: _pools(measures, "limit"),
    ),
    Metric(
        name="idaas_agent.redis.failures",
        kind=Kind.COUNTER,
        unit="{failure}",
        description="Failures of the Redis that processes share; after each it is not used until it responds",
        read=number(lambda measures: measures.redis.failures if measures.redis else 0),
    ),
    Metric(
        name="idaas_agent.event_loop.lag",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="By how much timers of the event loop are late, measured four times a second",
        bounds=SHORT_SECONDS,
        read=lambda measures: measures.loop_lag.series,
    ),
    Metric(
        name="idaas_agent.telemetry.export.failures",
        kind=Kind.COUNTER,
        unit="{failure}",
        description="Failed exports over OTLP, by signal",
        labels=("idaas_agent.telemetry.signal",),
        read=lambda measures: {("traces",): 0, ("metrics",): 0, **measures.export_failures.counts},
    ),
    Metric(
        name="idaas_agent.processes",
        kind=Kind.GAUGE,
        unit="{process}",
        description="Processes that serve requests",
        read=number(lambda _: 1),
    ),
    Metric(
        name="process.cpu.time",
        kind=Kind.COUNTER,
        unit="s",
        description="Processor time of the processes that serve requests",
        read=number(lambda _: cpu_seconds()),
    ),
    Metric(
        name="process.memory.usage",
        kind=Kind.GAUGE,
        unit="By",
        description="Resident memory of the processes that serve requests",
        read=number(lambda _: resident_bytes()),
    ),
)
"""Of one process, or of all workers together."""
