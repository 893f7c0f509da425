"""The methods of a path, for the `Allow` of 405."""

from typing import Final

from starlette.requests import Request
from starlette.routing import Match

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def allowed_methods(request: Request) -> str:
    """Every method that a route of the request's path serves (RFC 9110, section 15.5.6).

    Starlette names those of one route, where `GET` and `POST` are two.
    """
    return ", ".join(method for method in _METHODS if _is_served(request, method))


def _is_served(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
