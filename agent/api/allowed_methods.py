"""The methods of a path, for the `Allow` of 405."""

from starlette.requests import Request
from starlette.routing import Match


def allowed_methods(request: Request) -> str:
    """Every method of every route of the request's path (RFC 9110, section 15.5.6).

    Starlette names those of one route, where `GET` and `POST` are two.
    """
    routes = request.app.router.routes
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in matching for method in route.methods}))
