"""The metrics of HTTP requests, by OpenTelemetry's conventions for HTTP."""

from typing import Final

from agent.errors.error_table import ERROR_CODES
from agent.operations.metrics.metric import Kind, Metric, Values, number
from identity.observation.attribute import Attribute
from identity.observation.measures import RESPONSE_SECONDS

_FAULTS: Final[Values] = {(code.value,): 0 for code in ERROR_CODES if not code.row.caused_by_callers}
"""Errors that no caller can cause are 0 from the start, so that an alert sees the first one."""

REQUEST_METRICS: Final = (
    Metric(
        name="http.server.request.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="HTTP requests: from the request's headers to the end of the response, streams included",
        labels=(Attribute.HTTP_METHOD, Attribute.HTTP_ROUTE, Attribute.HTTP_STATUS),
        bounds=RESPONSE_SECONDS,
        read=lambda measures: measures.requests.seconds.series,
    ),
    Metric(
        name="http.server.active_requests",
        kind=Kind.GAUGE,
        unit="{request}",
        description="HTTP requests that are being served",
        read=number(lambda measures: measures.requests.open),
    ),
    Metric(
        name="idaas_agent.request.errors",
        kind=Kind.COUNTER,
        unit="{error}",
        description="Requests that were refused or failed, also in mid-stream, by the code of docs/errors.md",
        labels=(Attribute.ERROR_TYPE,),
        read=lambda measures: {**_FAULTS, **measures.requests.errors.counts},
    ),
)
"""Of every surface."""
