"""The variables of log lines, metrics and traces: OpenTelemetry's own names among them.

The SDK reads further ones itself (`OTEL_EXPORTER_OTLP_TIMEOUT`, `…_COMPRESSION`, `…_CERTIFICATE`,
`OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, InstanceOf

from agent.settings.variables.server import ServerVariables
from identity.observation.request_context import UserLabel
from identity.observation.traceparent import Receiver
from identity.secrets.secret import Secret
from identity.settings.values import VariableGroup, Word, listed, lower_case, parsed_by
from identity.transport.secure_url import is_secure_url

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
"""The lowest level of lines that are written."""
LogFormat: TypeAlias = Literal["json", "text"]


class TelemetryVariables(VariableGroup):
    """The logs and metrics that operators see."""

    heading = "Logs, metrics and LangSmith"

    log_level: Annotated[LogLevel, lower_case] = "info"
    """The lowest level of log lines: `debug`, `info`, `warning` or `error`. Those of libraries below `info`
    are never written."""
    log_format: Annotated[LogFormat, lower_case] | None = None
    """`json`, one object a line, or `text`, for people. Default: `text` if standard error is a terminal, else
    `json`."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """The port of `GET /metrics` for Prometheus, without authentication (`docs/observability.md`). Without
    it, no port is opened."""
    metrics_host: Word = "127.0.0.1"
    """The address of `METRICS_PORT`. In a container: `0.0.0.0`."""
    telemetry_user: UserLabel = "hash"
    """How log lines and spans name the caller: `hash` (`docs/observability.md`), `id`, the `sub` of their
    access token, or `none`."""
    agent_tracing: Literal["off", "langsmith"] = "off"
    """`langsmith` sends every run, with its messages and tool results, to LangSmith, as its own variables
    say. `off` sends nothing."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        agent_port = given.get("agent_port", str(ServerVariables.model_fields["agent_port"].default))
        if given.get("metrics_port") == agent_port != "0":
            fault = f"must not be the agent's own port, {agent_port}: metrics are not for its clients"
            yield f"METRICS_PORT {fault}"


def _listed(value: str) -> tuple[str, ...]:
    """Names separated by commas; `none` is none."""
    names = listed(value.lower())
    return () if names == ("none",) else names


def _receivers(value: str) -> tuple[str, ...]:
    names = _listed(value)
    if not set(names) <= set(Receiver):
        expected = ", ".join(Receiver)
        raise ValueError(f"must list some of {expected}, or be none")
    return names


def _collector(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("must be an http or https URL without user and query")
    return value


SamplerName: TypeAlias = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
"""The names that OpenTelemetry defines. Those of remote samplers are not supported."""
Signal = Annotated[Literal["none", "otlp"], lower_case]
Headers = Annotated[InstanceOf[Secret], parsed_by(Secret)]
Collector = Annotated[str, parsed_by(_collector)]


class OtelVariables(VariableGroup):
    """Traces, and metrics over OTLP."""

    heading = "OpenTelemetry"

    otel_sdk_disabled: bool = False
    """Whether traces and metrics over OTLP are off."""
    otel_traces_exporter: Signal | None = None
    """`otlp` or `none`. Default: `otlp` if an endpoint is set, else `none`."""
    otel_metrics_exporter: Signal | None = None
    """The same for metrics. For Prometheus: `METRICS_PORT`."""
    otel_exporter_otlp_endpoint: Collector | None = None
    """The collector, to which `/v1/traces` and `/v1/metrics` are appended. Default:
    `http://localhost:4318`."""
    otel_exporter_otlp_traces_endpoint: Collector | None = None
    """The whole URL of the collector for traces."""
    otel_exporter_otlp_metrics_endpoint: Collector | None = None
    """The whole URL of the collector for metrics."""
    otel_exporter_otlp_headers: Headers | None = None
    """Headers for the collector, such as `api-key=…`. Only to https and loopback addresses."""
    otel_exporter_otlp_traces_headers: Headers | None = None
    """The same for traces alone."""
    otel_exporter_otlp_metrics_headers: Headers | None = None
    """The same for metrics alone."""
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    """The only one that is supported."""
    otel_traces_sampler: Annotated[SamplerName, lower_case] = "parentbased_always_on"
    """`always_on`, `always_off` or `traceidratio`, or one of them after `parentbased_`."""
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that `traceidratio` records, from 0 to 1."""
    otel_propagators: Annotated[tuple[str, ...], parsed_by(_listed)] = ("tracecontext",)
    """Without `tracecontext` in it, no `traceparent` is read or sent. Baggage never is."""
    otel_metric_export_interval: Annotated[int, Field(ge=1000, le=3_600_000)] = 60_000
    """Milliseconds between two exports of metrics."""
    otel_instrumentation_genai_capture_message_content: Literal["NO_CONTENT", "SPAN_ONLY"] = "NO_CONTENT"
    """`SPAN_ONLY`: spans contain prompts, responses, arguments and results, without credentials."""
    traceparent_receivers: Annotated[tuple[Receiver, ...], parsed_by(_receivers)] = (
        Receiver.SERVICES,
        Receiver.MCP,
    )
    """Who receives a `traceparent`, separated by commas: `services`, `mcp`, `model`, `idaas`; or `none`."""
    traceparent_trusted: bool = False
    """Whether the `traceparent` of a caller is continued, not only linked."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if given.get("otel_metrics_exporter", "").lower() == "prometheus":
            yield "OTEL_METRICS_EXPORTER must not be prometheus: METRICS_PORT opens a port for it"
        for signal in ("", "traces_", "metrics_"):  # an endpoint of both signals receives all headers
            url = given.get(f"otel_exporter_otlp_{signal}endpoint", "")
            receives = [header for header in _HEADERS if signal in header or header == _HEADERS[0]]
            sent = [header for header in receives if header in given]
            if url and sent and not is_secure_url(url):
                endpoint = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT".upper()
                yield f"{endpoint} must be https, or http to a loopback address, to receive {sent[0].upper()}"


_HEADERS: Final = tuple(f"otel_exporter_otlp_{signal}headers" for signal in ("", "traces_", "metrics_"))
"""The variables of headers. Those of the first one are for every endpoint."""
