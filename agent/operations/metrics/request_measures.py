"""What is counted of HTTP requests."""

from identity.observation.measures import OTHER, RESPONSE_SECONDS, Distribution, Tally

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are named; any other is `OTHER`."""
NO_ROUTE = ""
"""The route of a request that matched none, or was refused before."""


class RequestMeasures:
    """Requests of one application. `routes` are templates: no label comes from a client."""

    def __init__(self) -> None:
        self.open = 0
        """Requests that are being served now."""
        self.seconds = Distribution(RESPONSE_SECONDS)
        """By method, route and status."""
        self.errors = Tally()
        """Requests, and streams after their first byte, that ended with an error: by code."""

    def ended(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        """Counts a request. `code` is that of its error, if it has one."""
        self.seconds.observe(seconds, method if method in METHODS else OTHER, route, str(status))
        if code is not None:
            self.errors.add(code)
