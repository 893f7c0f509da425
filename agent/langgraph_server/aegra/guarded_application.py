"""The FastAPI application to which Aegra adds its routes, with the guard outside of everything.

Aegra adds middleware of its own to the application that it is given: a log, its CORS. The guard is outside of
it, so that no request reaches any of them that it has not admitted.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_body
from agent.langgraph_server.admission.thread_requests import ThreadRequests
from agent.langgraph_server.aegra.aegra_routes import PUBLIC, allows
from agent.langgraph_server.aegra.aegra_threads import AegraThreads
from agent.langgraph_server.consent_addresses import ConsentAddresses
from agent.langgraph_server.cross_origin import CrossOrigin
from agent.langgraph_server.route_guard import RouteGuard

_NOT_IN_FORCE: Final = RequestError(
    None, "the server is not configured to authenticate its callers", code="not_in_force", status=503
)


class GuardedApplication(FastAPI):
    """Every request is refused with 503 while `fault` returns one."""

    def __init__(self, fault: Callable[[], str | None], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(docs_url=None, redoc_url=None, **options)
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests on while there is no fault."""
        if scope["type"] == "http" and self._fault() is not None:
            await JSONResponse(error_body(_NOT_IN_FORCE), 503)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Aegra's, inside of the guard's."""
        inner = super().build_middleware_stack()
        judged = ThreadRequests(inner, threads=AegraThreads(inner))
        return CrossOrigin(RouteGuard(ConsentAddresses(judged), public=PUBLIC, allows=allows, sealed=True))
