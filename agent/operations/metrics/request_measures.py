"""Counts of HTTP requests, by OpenTelemetry's conventions for HTTP."""

from typing import Final

from agent.errors.error_table import ERROR_CODES
from identity.observation.attribute import Attribute
from identity.observation.metrics import OTHER, RESPONSE_SECONDS, Kind, Metrics

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are named; any other is `OTHER`."""
NO_ROUTE: Final = ""
"""The route of a request that matched none, or was refused before."""
_FAULTS: Final = [(code.value,) for code in ERROR_CODES if not code.row.caused_by_callers]


class RequestMeasures:
    """Requests of one application, on every surface. `routes` are templates: no label comes from a client."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.open = 0
        self.seconds = metrics.histogram(
            "http.server.request.duration",
            "HTTP requests: from the request's headers to the end of the response, streams included",
            labels=(Attribute.HTTP_METHOD, Attribute.HTTP_ROUTE, Attribute.HTTP_STATUS),
            bounds=RESPONSE_SECONDS,
        )
        metrics.observed(
            Kind.GAUGE,
            "http.server.active_requests",
            "HTTP requests that are being served",
            unit="{request}",
            read=lambda: self.open,
        )
        self.errors = metrics.counter(
            "idaas_agent.request.errors",
            "Requests that were refused or failed, also in mid-stream, by the code of docs/errors.md",
            unit="{error}",
            labels=(Attribute.ERROR_TYPE,),
            zeros=_FAULTS,
        )

    def ended(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        """Counts a request. `code` is that of its error, if it has one."""
        if method not in METHODS:
            method = OTHER
        self.seconds.observe(seconds, method, route, str(status))
        if code is not None:
            self.errors.add(code)
