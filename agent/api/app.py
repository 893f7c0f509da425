"""The HTTP application: every surface of the agent behind one authentication.

From the outside in: security headers, CORS (so that a page can read why it is refused), the request log with
the handler of unexpected errors, shutdown, the limit of headers, authentication, the limits of requests and
of bodies, the routes. No middleware before authentication reads a body.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from agent.api.allowed_methods import allowed_methods
from agent.api.calls import CALLS
from agent.api.grants import GRANTS
from agent.api.inbox import INBOX
from agent.api.openapi_document import api_document
from agent.api.public_routes import PUBLIC
from agent.api.question_source import installed_sources
from agent.api.rights import RIGHTS
from agent.api.route_table import add_routes
from agent.api.services import SERVICES
from agent.api.surface import Surfaces, installed_surfaces
from agent.api.threads.routes import THREADS
from agent.api.threads.run_routes import RUNS
from agent.api.user_events import USER_EVENTS
from agent.api.validation_fault import parameter_fault
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError, error_response
from agent.http.authentication import CALLER, authentication, caller_of
from agent.http.cross_origin import PageOrigins
from agent.http.rate_limit import rate_limit
from agent.http.request_limits import body_limit, header_limit
from agent.http.request_log import request_log
from agent.http.response_headers import response_headers
from agent.http.role_headers import role_headers
from agent.settings.settings import Settings
from identity.errors import AgentError

CORE: Final = (PUBLIC, RIGHTS, SERVICES, THREADS, RUNS, CALLS, GRANTS, INBOX, USER_EVENTS)
"""The surfaces that every agent has, if it keeps conversations and receives events."""


def surfaces_of(agent: Agent) -> Surfaces:
    """The agent's own surfaces, those of installed sources of questions, and those that are installed and
    permitted.
    """
    of_sources = [source.surface for source in installed_sources()]
    return Surfaces([*CORE, *of_sources, *installed_surfaces(agent.settings.surfaces)], agent)


def create_app(settings: Settings, agent: Agent | None = None) -> FastAPI:
    """The application. Nothing is read, opened or requested before its lifespan starts."""
    composed = agent or Agent(settings)
    surfaces = surfaces_of(composed)
    role = settings.header_role

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with composed:
            yield

    async def admit_again(scope: Scope) -> None:
        if CALLER in scope:
            await surfaces.admission_of(scope["path"]).admit_again(caller_of(scope))

    async def agent_error(request: Request, error: AgentError) -> Response:
        path = request.scope["path"]
        admission = surfaces.admission_of(path)
        challenge = admission.challenge(error, request.scope, surfaces.metadata_of(path))
        return error_response(error, challenge)

    async def request_error(_: Request, error: RequestError) -> Response:
        return error_response(error)

    async def http_error(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "invalid_request")
        refused = RequestError(None, str(error.detail), code=code, status=error.status_code)
        allowed = {"Allow": allowed_methods(request)} if error.status_code == 405 else {}
        return error_response(refused, {**(error.headers or {}), **allowed})

    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return error_response(parameter_fault(error))

    async def client_disconnected(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)  # the client has disconnected; the log has the status

    app = FastAPI(
        title="idaas-agent",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(response_headers, cached=surfaces.cached_paths),
            Middleware(
                PageOrigins,
                allow_origins=settings.cors_allowed_origins,
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=[
                    *("Authorization", "Content-Type", "Last-Event-ID", "X-Thread-Id"),
                    *surfaces.request_headers,
                ],
                expose_headers=["WWW-Authenticate", "Retry-After", "X-Request-Id"],
                max_age=600,
            ),
            Middleware(request_log, measures=composed.measures.requests, tracer=composed.tracer),
            Middleware(composed.shutdown.middleware),
            Middleware(header_limit, max_bytes=settings.max_header_bytes),
            Middleware(
                authentication,
                admission_of=surfaces.admission_of,
                open_paths=surfaces.open_paths,
                metadata_of=surfaces.metadata_of,
                polls=surfaces.is_poll,
            ),
            *([] if role is None else [Middleware(role_headers, role=role)]),
            Middleware(
                rate_limit,
                rate=composed.request_rate,
                check_run=composed.runs.check,
                starts_run=surfaces.starts_run,
            ),
            Middleware(body_limit, max_bytes=settings.max_body_bytes, arrived=admit_again),
        ],
        exception_handlers={
            AgentError: agent_error,
            RequestError: request_error,
            HTTPException: http_error,
            RequestValidationError: invalid,
            ClientDisconnect: client_disconnected,
        },
    )
    app.openapi = api_document(app, surfaces)  # type: ignore[method-assign]  # as FastAPI documents
    app.state.agent = composed
    add_routes(app, surfaces.routers)
    return app


_CODES = {404: "not_found", 405: "method_not_allowed"}
