"""Every metric of the agent. Dashboards, alerts and `docs/observability.md` are checked against it.

Names and units follow OpenTelemetry's conventions where there are some: HTTP (stable) and GenAI as of
v0.1.0 (in development). Labels come from code, from the configuration, or from the tools that servers list,
and are bounded (`identity.measures`). The catalog imports no part of the agent: the parent of several
processes reads it too.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from agent.error_table import ERROR_CODES
from agent.telemetry.metrics.metric import Kind, Metric, Reading, Values
from agent.telemetry.metrics.process_use import cpu_seconds, resident_bytes
from identity.measures import LONG_SECONDS, RESPONSE_SECONDS, SECONDS, SHORT_SECONDS, Labels
from identity.revocation.revocation import Target

if TYPE_CHECKING:
    from agent.telemetry.metrics.measures import AgentMeasures

_FAULTS: Final[Values] = {(code.value,): 0 for code in ERROR_CODES if not code.row.caused_by_callers}
"""Errors that no caller can cause are 0 from the start, so that an alert sees the first one."""
_TARGETS: Final[Values] = {(target.value,): 0 for target in Target}
_MODEL: Final = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
_CHAT: Final = ("chat", "openai")
"""OpenAI is the provider by the convention's rule: the format, not the vendor."""


def read_metrics(measures: "AgentMeasures") -> Reading:
    """The values of this process now. Any thread may call it."""
    return {metric.name: dict(metric.read(measures)) for metric in METRICS}


def _number(read: "Callable[[AgentMeasures], float]") -> "Callable[[AgentMeasures], Values]":
    return lambda measures: {(): read(measures)}


def _of_chat(values: Mapping[Labels, float]) -> Values:
    return {(*_CHAT, *labels): value for labels, value in values.items()}


def _tools(measures: "AgentMeasures") -> Values:
    return {("execute_tool", *labels): value for labels, value in measures.calls.tools.series.items()}


def _lookups(measures: "AgentMeasures") -> Values:
    use = measures.credentials
    return {("cached",): use.found, ("stale",): use.stale, ("requested",): use.missed}


def _verifications(measures: "AgentMeasures") -> Values:
    use = measures.verifications
    return {("cached",): use.found, ("checked",): use.missed}


def _pools(measures: "AgentMeasures", member: str) -> Values:
    return {(name,): getattr(use, member) for name, use in measures.pools.items()}


def _audit(member: str) -> "Callable[[AgentMeasures], Values]":
    return _number(lambda measures: getattr(measures.audit, member, 0))


def _approvals(measures: "AgentMeasures") -> Values:
    return {} if measures.approvals_waiting is None else {(): measures.approvals_waiting}


METRICS: Final = (
    Metric(
        name="http.server.request.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="HTTP requests: from the request's headers to the end of the response, streams included",
        labels=("http.request.method", "http.route", "http.response.status_code"),
        bounds=RESPONSE_SECONDS,
        read=lambda measures: measures.requests.seconds.series,
    ),
    Metric(
        name="http.server.active_requests",
        kind=Kind.GAUGE,
        unit="{request}",
        description="HTTP requests that are being served",
        read=_number(lambda measures: measures.requests.open),
    ),
    Metric(
        name="idaas_agent.request.errors",
        kind=Kind.COUNTER,
        unit="{error}",
        description="Requests that were refused or failed, also in mid-stream, by the code of docs/errors.md",
        labels=("error.type",),
        read=lambda measures: {**_FAULTS, **measures.requests.errors.counts},
    ),
    Metric(
        name="idaas_agent.runs.open",
        kind=Kind.GAUGE,
        unit="{run}",
        description="Runs that go on now",
        read=_number(lambda measures: measures.runs.open),
    ),
    Metric(
        name="gen_ai.invoke_agent.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Runs, from their start to their end, by the code of their error",
        labels=("error.type",),
        bounds=LONG_SECONDS,
        read=lambda measures: measures.runs.seconds.series,
    ),
    Metric(
        name="idaas_agent.run.time_to_first_token",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="From the start of a streamed run to its first piece of text or thinking",
        bounds=LONG_SECONDS,
        read=lambda measures: measures.runs.first_token.series,
    ),
    Metric(
        name="gen_ai.client.inference.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Calls of the model",
        labels=(*_MODEL, "error.type"),
        bounds=LONG_SECONDS,
        read=lambda measures: _of_chat(measures.calls.inference.series),  # type: ignore[arg-type]
    ),
    Metric(
        name="gen_ai.client.inference.time_to_first_chunk",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="From the start of a streamed call of the model to its first piece",
        labels=_MODEL,
        bounds=LONG_SECONDS,
        read=lambda measures: _of_chat(measures.calls.first_chunk.series),  # type: ignore[arg-type]
    ),
    Metric(
        name="gen_ai.client.inference.usage.input_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of prompts, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.input_tokens.counts),
    ),
    Metric(
        name="gen_ai.client.inference.usage.output_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of responses, thinking included, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.output_tokens.counts),
    ),
    Metric(
        name="gen_ai.client.inference.usage.reasoning.output_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of thinking, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.reasoning_tokens.counts),
    ),
    Metric(
        name="gen_ai.execute_tool.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Calls of tools, with the renewal of a refused credential",
        labels=("gen_ai.operation.name", "gen_ai.tool.name", "idaas_agent.service", "error.type"),
        bounds=LONG_SECONDS,
        read=_tools,
    ),
    Metric(
        name="idaas_agent.idaas.request.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Requests to IDaaS with all their attempts, by what they request and the error's code",
        labels=("idaas_agent.idaas.operation", "error.type"),
        bounds=SECONDS,
        read=lambda measures: measures.issue.seconds.series,
    ),
    Metric(
        name="idaas_agent.credential.lookups",
        kind=Kind.COUNTER,
        unit="{lookup}",
        description="Uses of credentials: cached, stale while IDaaS did not respond, or requested",
        labels=("idaas_agent.lookup.result",),
        read=_lookups,
    ),
    Metric(
        name="idaas_agent.credential.renewals",
        kind=Kind.COUNTER,
        unit="{renewal}",
        description="Renewals of cached credentials ahead of their end",
        read=_number(lambda measures: measures.credentials.renewed),
    ),
    Metric(
        name="idaas_agent.access_token.verifications",
        kind=Kind.COUNTER,
        unit="{verification}",
        description="Verifications of access tokens: cached, or checked with a signature",
        labels=("idaas_agent.lookup.result",),
        read=_verifications,
    ),
    Metric(
        name="idaas_agent.revocations",
        kind=Kind.COUNTER,
        unit="{revocation}",
        description="Revocations that came into force in each process, by their target",
        labels=("idaas_agent.revocation.target",),
        read=lambda measures: {**_TARGETS, **measures.revocations.counts},
    ),
    Metric(
        name="idaas_agent.approvals.waiting",
        kind=Kind.GAUGE,
        unit="{approval}",
        description="Approvals that wait for a person",
        read=_approvals,
        shared=True,
    ),
    Metric(
        name="idaas_agent.audit.records",
        kind=Kind.COUNTER,
        unit="{record}",
        description="Records that the audit log accepted",
        read=_audit("records"),
    ),
    Metric(
        name="idaas_agent.audit.failures",
        kind=Kind.COUNTER,
        unit="{failure}",
        description="Failed attempts to write the audit log",
        read=_audit("failures"),
    ),
    Metric(
        name="idaas_agent.audit.lost",
        kind=Kind.COUNTER,
        unit="{record}",
        description="Records that the audit log lost",
        read=_audit("lost"),
    ),
    Metric(
        name="idaas_agent.connection_pool.in_use",
        kind=Kind.GAUGE,
        unit="{request}",
        description="Requests in flight, by the client: idaas, model, or the service",
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
        read=_number(lambda _: 1),
    ),
    Metric(
        name="process.cpu.time",
        kind=Kind.COUNTER,
        unit="s",
        description="Processor time of the processes that serve requests",
        read=_number(lambda _: cpu_seconds()),
    ),
    Metric(
        name="process.memory.usage",
        kind=Kind.GAUGE,
        unit="By",
        description="Resident memory of the processes that serve requests",
        read=_number(lambda _: resident_bytes()),
    ),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}
