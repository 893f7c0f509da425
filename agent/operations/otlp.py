"""Telemetry over OTLP: which signals go to which collector, how this process is named, and failed exports."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from agent.settings.settings import Settings
from identity.secrets.secret import Secret

if TYPE_CHECKING:  # the SDK is imported only if something is exported
    from opentelemetry.sdk.resources import Resource

_LOG: Final = logging.getLogger("idaas_agent.telemetry")
_LOG_INTERVAL: Final = 60.0
_SERVICE: Final = "idaas-agent"
_DEFAULT: Final = "http://localhost:4318"


def exporter_options(settings: Settings, signal: Literal["traces", "metrics"]) -> dict[str, Any] | None:
    """The URL of the collector for `signal`, and the headers that it requires; `None` if it is not exported.

    An endpoint alone says that it is, because the SDK's default exporter is OTLP.
    """
    exporter: str | None = getattr(settings, f"otel_{signal}_exporter")
    own: str | None = getattr(settings, f"otel_exporter_otlp_{signal}_endpoint")
    headers: Secret | None = getattr(settings, f"otel_exporter_otlp_{signal}_headers")
    headers = headers or settings.otel_exporter_otlp_headers
    common = settings.otel_exporter_otlp_endpoint
    if settings.otel_sdk_disabled or exporter == "none" or not (exporter or own or common):
        return None
    endpoint = own or f"{(common or _DEFAULT).rstrip('/')}/v1/{signal}"
    from opentelemetry.util.re import parse_env_headers

    parsed = {} if headers is None else parse_env_headers(headers.reveal(), liberal=True)
    return {"endpoint": endpoint, "headers": parsed}


@dataclass(slots=True)
class ExportFailures:
    """Failed exports of `what`: counted by `failed`, and logged once a minute without their texts."""

    what: str
    failed: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    _quiet_until: float = field(init=False, default=float("-inf"))

    def succeeds(self, export: Callable[[], Enum]) -> bool:
        """Whether `export`, of one of the SDK's exporters, returns success. Raises nothing."""
        try:
            if export().name == "SUCCESS":
                return True
        except Exception:  # noqa: BLE001, S110 - an exporter raises anything, and its text may contain a header
            pass
        self.failed()
        now = self.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _LOG_INTERVAL
            text = "%s could not be exported; the collector does not respond or refuses them"
            _LOG.warning(text, self.what)
        return False


@cache
def agent_resource() -> "Resource":
    """This process, as OpenTelemetry describes it: one for all signals.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES replace and add attributes.
    """
    from opentelemetry.sdk.resources import Resource

    own = Resource({"service.name": _SERVICE, "service.instance.id": str(uuid.uuid4())})
    attributes = dict(Resource.create().attributes)
    if str(attributes.get("service.name", "")).startswith("unknown_service"):  # the SDK's own default
        del attributes["service.name"]
    return own.merge(Resource(attributes))
