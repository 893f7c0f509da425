"""The FastAPI application to which Aegra adds its routes, with the guard outside of everything.

Aegra adds middleware of its own to the application that it is given: a log, its CORS. The guard is outside of
it, so that no request reaches any of them that it has not admitted.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.langgraph.aegra.aegra_routes import PUBLIC, allows
from agent.api.langgraph.aegra.aegra_threads import AegraThreads
from agent.api.langgraph.consent_url_injector import ConsentUrlInjector
from agent.api.langgraph.cross_origin import CrossOrigin
from agent.api.langgraph.route_guard import RouteGuard
from agent.api.langgraph.run_request_guard import RunRequestGuard
from agent.errors.error_response import RequestError, error_body, error_response, internal_error_body
from identity.errors import AgentError

_NOT_IN_FORCE: Final = RequestError(
    None, "the server is not configured to authenticate its callers", code="not_in_force", status=503
)


async def _agent_error(_: Request, error: AgentError) -> Response:
    return error_response(error)


async def _http_error(_: Request, error: HTTPException) -> Response:
    """Aegra's refusals with the agent's body. The text of a fault of its own may contain anything."""
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return JSONResponse(internal_error_body(), status)
    code = status.phrase.lower().replace(" ", "_")
    return error_response(RequestError(None, str(error.detail), code=code, status=status), error.headers)


async def _internal_error(_: Request, __: Exception) -> Response:
    return JSONResponse(internal_error_body(), 500)


class GuardedApplication(FastAPI):
    """Every request is refused with 503 while `fault` returns one. Each error has the agent's body."""

    def __init__(self, fault: Callable[[], str | None], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        handlers: Any = {AgentError: _agent_error, HTTPException: _http_error, Exception: _internal_error}
        super().__init__(docs_url=None, redoc_url=None, exception_handlers=handlers, **options)
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
        judged = RunRequestGuard(inner, threads=AegraThreads(inner))
        return CrossOrigin(RouteGuard(ConsentUrlInjector(judged), public=PUBLIC, allows=allows, sealed=True))
