"""This process, and the collector's headers, in the form of OpenTelemetry's SDK."""

import uuid
from collections.abc import Mapping
from functools import cache
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.util.re import parse_env_headers

from identity.secrets.secret import Secret

_SERVICE: Final = "idaas-agent"


@cache
def agent_resource() -> Resource:
    """This process, as OpenTelemetry describes it: one for all signals.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES replace and add attributes.
    """
    own = Resource({"service.name": _SERVICE, "service.instance.id": str(uuid.uuid4())})
    given = dict(Resource.create().attributes)
    if str(given.get("service.name", "")).startswith("unknown_service"):  # the SDK's own default
        del given["service.name"]
    return own.merge(Resource(given))


def otlp_headers(headers: Secret | None) -> Mapping[str, str]:
    """The headers of a variable such as OTEL_EXPORTER_OTLP_HEADERS."""
    return {} if headers is None else parse_env_headers(headers.reveal(), liberal=True)
