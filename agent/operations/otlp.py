"""Telemetry over OTLP: which signals go to which collector, how this process is named, and failed exports."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

from agent.settings.settings import Settings
from agent.settings.variables.observation import Exporter
from identity.secrets.secret import Secret

if TYPE_CHECKING:  # the SDK is imported only if something is exported
    from opentelemetry.sdk.resources import Resource

_LOG: Final = logging.getLogger("idaas_agent.telemetry")
_LOG_INTERVAL: Final = 60.0
_SERVICE: Final = "idaas-agent"
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

    def parsed_headers(self) -> dict[str, str]:
        """The headers of a variable such as OTEL_EXPORTER_OTLP_HEADERS."""
        from opentelemetry.util.re import parse_env_headers

        return {} if self.headers is None else dict(parse_env_headers(self.headers.reveal(), liberal=True))


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


class ExportFailures:
    """Failed exports of `what`: counted by `failed`, and logged once a minute without their texts."""

    def __init__(
        self, what: str, failed: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._failed = failed
        self._monotonic = monotonic
        self._quiet_until = float("-inf")

    def report(self) -> None:
        """An export failed."""
        self._failed()
        now = self._monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _LOG_INTERVAL
            text = "%s could not be exported; the collector does not respond or refuses them"
            _LOG.warning(text, self._what)


@cache
def agent_resource() -> "Resource":
    """This process, as OpenTelemetry describes it: one for all signals.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES replace and add attributes.
    """
    from opentelemetry.sdk.resources import Resource

    own = Resource({"service.name": _SERVICE, "service.instance.id": str(uuid.uuid4())})
    given = dict(Resource.create().attributes)
    if str(given.get("service.name", "")).startswith("unknown_service"):  # the SDK's own default
        del given["service.name"]
    return own.merge(Resource(given))
