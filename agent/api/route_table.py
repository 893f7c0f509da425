"""The routes of all surfaces as one table, in which a path without parameters is looked up.

`FastAPI.include_router` makes each route a second time, at the first request, and asks one router after
another for each request: a tenth of the processor time of a chat.
"""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

_FOUND: Final = "idaas_agent.route"
"""The key, in an ASGI scope, of the route that the table has found."""


class RouteTable(BaseRoute):
    """The first route of an application: it finds what the `routes` after it would, in their order.

    It remembers the route of each method and path without parameters. Whatever they do not serve, such as
    another method (405), it leaves to them.
    """

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes: Final = routes
        self._known: dict[tuple[str, str], APIRoute] = {}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The match of the route that serves the request."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        key = scope["method"], scope["path"]
        known = self._known.get(key)
        if known is not None:
            return _found(known, scope)
        for route in self.routes:
            match, child = route.matches(scope)
            if match is not Match.FULL:
                continue
            if isinstance(route, APIRoute) and not route.param_convertors:
                self._known[key] = route
            return match, {**child, _FOUND: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on to the route."""
        await scope[_FOUND].handle(scope, receive, send)


def _found(route: APIRoute, scope: Scope) -> tuple[Match, Scope]:
    match, child = route.matches(scope)
    return match, {**child, _FOUND: route}


def add_routes(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Adds the routes of `routers` to `app`, in their order."""
    own = app.router.routes
    for router in routers:
        if _has_routes_alone(router):
            own.extend(router.routes)
        else:
            app.include_router(router)
    own.insert(0, RouteTable(own[:]))


def _has_routes_alone(router: APIRouter) -> bool:
    """Whether a router is its routes: no front end of files, and no limits of forms."""
    return not (router.form_limits or router._low_priority_routes)  # noqa: SLF001 - FastAPI has no other name for them
