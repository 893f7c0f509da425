"""The HTTP application: every surface of the agent behind one authentication.

From the outside in: security headers, CORS (so that a page can read why it is refused), the request log with
the handler of unexpected errors, shutdown, the limit of headers, authentication, the limits of requests and
of bodies, the routes. No middleware before authentication reads a body.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from agent.api.a2a.members import RPC_PATH, VERSION_HEADER
from agent.api.a2a.routes import a2a_routes
from agent.api.ag_ui.routes import ag_ui_routes
from agent.api.grants import grant_routes
from agent.api.inbox import inbox_routes, prepared_routes
from agent.api.langserve.routes import langserve_routes
from agent.api.mcp.message import HEADERS as MCP_HEADERS
from agent.api.mcp.routes import mcp_routes
from agent.api.openai.routes import openai_routes
from agent.api.openapi_document import api_document
from agent.api.public_routes import public_routes
from agent.api.response_models import documented
from agent.api.threads.routes import thread_routes
from agent.api.threads.run_routes import run_routes
from agent.api.user_events import user_event_routes
from agent.api.validation_fault import parameter_fault
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError, error_response
from agent.http.authentication import CALLER, MCP_PATH, authentication, caller_of
from agent.http.rate_limit import rate_limit
from agent.http.request_limits import body_limit, header_limit
from agent.http.request_log import request_log
from agent.http.response_headers import response_headers
from agent.http.role_headers import role_headers
from agent.settings.settings import Settings
from graph.approvals.rights import UserRights
from identity.errors import AgentError


def create_app(settings: Settings, agent: Agent | None = None) -> FastAPI:
    """The application. Nothing is read, opened or requested before its lifespan starts."""
    composed = agent or Agent(settings)
    role = settings.header_role

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with composed:
            yield

    async def admit_again(scope: Scope) -> None:
        if CALLER in scope:
            await composed.admission_of(scope["path"]).admit_again(caller_of(scope))

    async def agent_error(request: Request, error: AgentError) -> Response:
        challenge = composed.admission_of(request.scope["path"]).challenge
        return error_response(error, challenge(error, request.scope))

    async def request_error(_: Request, error: RequestError) -> Response:
        return error_response(error)

    async def http_error(_: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "invalid_request")
        refused = RequestError(None, str(error.detail), code=code, status=error.status_code)
        return error_response(refused, error.headers)

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
            Middleware(response_headers),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_allowed_origins,
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=[
                    *("Authorization", "Content-Type", "Last-Event-ID", "X-Thread-Id", VERSION_HEADER),
                    *MCP_HEADERS,
                ],
                expose_headers=["WWW-Authenticate", "Retry-After", "X-Request-Id"],
                max_age=600,
            ),
            Middleware(request_log, measures=composed.measures.requests, tracer=composed.tracer),
            Middleware(composed.shutdown.middleware),
            Middleware(header_limit, max_bytes=settings.max_header_bytes),
            Middleware(authentication, admission_of=composed.admission_of, polls=_reads_own_list),
            *([] if role is None else [Middleware(role_headers, role=role)]),
            Middleware(
                rate_limit, rate=composed.request_rate, check_run=composed.runs.check, starts_run=_starts_run
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
    app.openapi = api_document(app)  # type: ignore[method-assign]  # as FastAPI documents
    app.include_router(public_routes(settings, composed.readiness))
    app.include_router(openai_routes(composed))
    app.include_router(ag_ui_routes(composed))
    app.include_router(a2a_routes(composed))
    app.include_router(mcp_routes(composed))
    app.state.runs, app.state.settings = composed.runs, settings
    app.include_router(langserve_routes())
    if composed.conversations is not None:
        app.include_router(thread_routes(composed.conversations))
        app.include_router(run_routes(composed.conversations, model=settings.llm_model))

    @app.get("/rights", responses=documented(UserRights))
    async def rights(request: Request) -> JSONResponse:
        """What the agent may do for the caller. Nothing is called for it."""
        return JSONResponse(await composed.rights_of(caller_of(request.scope)))

    if composed.grants is not None:
        app.include_router(grant_routes(composed.grants))
    if composed.inbox is not None and composed.conversations is not None:
        app.include_router(inbox_routes(composed.inbox, composed.conversations, composed.prepared))
    if composed.prepared is not None:
        app.include_router(prepared_routes(composed.prepared))
    if composed.user_events is not None:
        app.include_router(user_event_routes(composed, composed.user_events))
    return app


def _starts_run(scope: Scope) -> bool:
    """Whether the request certainly starts a run. For A2A and MCP, only the body shows it."""
    path = scope["path"]
    if scope["method"] != "POST" or path in (RPC_PATH, MCP_PATH):
        return False
    if path.startswith("/threads"):
        return path.endswith(("/continue", "/versions")) or "/approvals/" in path
    return not path.startswith(("/approvals/", "/prepared"))


def _reads_own_list(scope: Scope) -> bool:
    """Whether the request lists the caller's conversations or inbox, as each open page does repeatedly."""
    return bool(scope["path"] in ("/threads", "/approvals") and scope.get("method") == "GET")


_CODES = {404: "not_found", 405: "method_not_allowed"}
