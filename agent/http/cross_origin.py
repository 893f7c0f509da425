"""Which pages may call the agent: those of `CORS_ALLOWED_ORIGINS`. A refused one is named in the log.

A browser tells its user and the page only that a request failed, and asks before each request with an access
token. So the operator learns here which origin is missing.
"""

import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from identity.printable import printable

_LOG: Final = logging.getLogger("idaas_agent.cors")
_MOST_NAMED: Final = 100
"""Origins that are named in the life of a process: anybody can send any."""
_LONGEST: Final = 200


class PageOrigins(CORSMiddleware):
    """Starlette's, whose refusal of an origin names the variable, and logs each origin once."""

    _named: frozenset[str] = frozenset()

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to the question before a request."""
        origin = request_headers["origin"]
        if self.is_allowed_origin(origin):
            return super().preflight_response(request_headers)
        self._name(origin)
        reason = "The origin is not in CORS_ALLOWED_ORIGINS"
        return PlainTextResponse(reason, status_code=400, headers={"Vary": "Origin"})

    def _name(self, origin: str) -> None:
        shown = printable(origin[:_LONGEST])
        if shown in self._named or len(self._named) == _MOST_NAMED:
            return
        self._named |= {shown}
        _LOG.warning("a page of %s was refused: CORS_ALLOWED_ORIGINS does not list this origin", shown)
