"""Whether a signal goes to a collector over OTLP, and to which."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.settings.settings import Settings
from agent.settings.variables.otel import Exporter
from identity.secrets.secret import Secret

_DEFAULT: Final = "http://localhost:4318"


class Signal(StrEnum):
    """The signals that the agent exports; log lines go to standard error."""

    TRACES = "traces"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class OtlpSignal:
    """The URL of the collector for a signal, and the headers that it requires."""

    endpoint: str
    headers: Secret | None


def otlp_signal(settings: Settings, signal: Signal) -> OtlpSignal | None:
    """The collector for `signal`; `None` if it is not exported.

    An endpoint alone says that it is, because the SDK's default exporter is OTLP.
    """
    exporter: Exporter | None = getattr(settings, f"otel_{signal}_exporter")
    own: str | None = getattr(settings, f"otel_exporter_otlp_{signal}_endpoint")
    headers: Secret | None = getattr(settings, f"otel_exporter_otlp_{signal}_headers")
    common = settings.otel_exporter_otlp_endpoint
    if settings.otel_sdk_disabled or exporter is Exporter.NONE or not (exporter or own or common):
        return None
    endpoint = own or f"{(common or _DEFAULT).rstrip('/')}/v1/{signal}"
    return OtlpSignal(endpoint, headers or settings.otel_exporter_otlp_headers)
