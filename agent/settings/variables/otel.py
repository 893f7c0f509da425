"""The variables of OpenTelemetry: its own names, and two of the agent.

The SDK reads the further ones itself (`OTEL_EXPORTER_OTLP_TIMEOUT`, `…_COMPRESSION`, `…_CERTIFICATE`,
`OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, InstanceOf

from agent.settings.values import VariableGroup, listed, lower_case, parsed_by
from identity.observation.traceparent import Receiver
from identity.secrets.secret import Secret
from identity.transport.secure_url import is_secure_url


class Exporter(StrEnum):
    """Where a signal goes."""

    NONE = "none"
    OTLP = "otlp"


class SamplerName(StrEnum):
    """The names that OpenTelemetry defines. Those of remote samplers are not supported."""

    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"
    RATIO = "traceidratio"
    PARENT_ALWAYS_ON = "parentbased_always_on"
    PARENT_ALWAYS_OFF = "parentbased_always_off"
    PARENT_RATIO = "parentbased_traceidratio"


class CapturedContent(StrEnum):
    """Where prompts, responses, arguments and results may be. Events are not written."""

    NO_CONTENT = "NO_CONTENT"
    SPAN_ONLY = "SPAN_ONLY"


_PROTOCOL: Final = "http/protobuf"


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


Signal = Annotated[Exporter, lower_case]
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
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = _PROTOCOL
    """The only one that is supported."""
    otel_traces_sampler: Annotated[SamplerName, lower_case] = SamplerName.PARENT_ALWAYS_ON
    """`always_on`, `always_off` or `traceidratio`, or one of them after `parentbased_`, which concerns
    trusted callers."""
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that `traceidratio` records, from 0 to 1."""
    otel_propagators: Annotated[tuple[str, ...], parsed_by(_listed)] = ("tracecontext",)
    """Without `tracecontext` in it, such as `none`: no `traceparent` is read or sent. Baggage is neither read
    nor sent."""
    otel_metric_export_interval: Annotated[int, Field(ge=1000, le=3_600_000)] = 60_000
    """Milliseconds between two exports of metrics."""
    otel_instrumentation_genai_capture_message_content: CapturedContent = CapturedContent.NO_CONTENT
    """`SPAN_ONLY`: spans contain prompts, responses, and the arguments and results of tools, without
    credentials."""
    traceparent_receivers: Annotated[tuple[Receiver, ...], parsed_by(_receivers)] = (
        Receiver.SERVICES,
        Receiver.MCP,
    )
    """Who receives the `traceparent` of a request's trace, separated by commas: `services`, `mcp`, `model`,
    `idaas`; or `none`."""
    traceparent_trusted: bool = False
    """Whether the `traceparent` of a caller is continued. If not, the agent's trace has a link to it."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if given.get("otel_metrics_exporter", "").lower() == "prometheus":
            yield "OTEL_METRICS_EXPORTER must not be prometheus: METRICS_PORT opens a port for it"
        for signal, headers in _HEADERS_SENT_TO.items():
            url = given.get(f"otel_exporter_otlp_{signal}endpoint", "")
            sent = [name for name in headers if name in given]
            if url and sent and not is_secure_url(url):
                endpoint = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT".upper()
                yield (
                    f"{endpoint} must be https, or http to a loopback address, to receive {sent[0].upper()}"
                )


_COMMON: Final = "otel_exporter_otlp_headers"
_OF_SIGNALS: Final = tuple(f"otel_exporter_otlp_{signal}_headers" for signal in ("traces", "metrics"))
_HEADERS_SENT_TO: Final = {
    "": (_COMMON, *_OF_SIGNALS),
    "traces_": (_COMMON, _OF_SIGNALS[0]),
    "metrics_": (_COMMON, _OF_SIGNALS[1]),
}
"""The variables of headers that an endpoint may receive, by the part of its name."""
