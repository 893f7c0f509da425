"""The FastAPI application to which Aegra adds its routes, with the guard outside of everything.

Aegra adds middleware of its own to the application that it is given: a log, its CORS. The guard is outside of
it, so that no request reaches any of them that it has not admitted.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.langgraph.authorization import auth, authenticate
from agent.api.langgraph.route_guard import guarded
from agent.api.langgraph.server_threads import ServerThreads
from agent.errors.error_response import RequestError, error_body, error_response, internal_error_body
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ConfigurationError


def fault_of(backend: object) -> str | None:
    """Why `backend`, Aegra's authentication, is not the project's; `None` if it is.

    Without a handler Aegra serves everybody as one user. If the file of the handler cannot be loaded, it logs
    a warning and goes on.
    """
    loaded = getattr(backend, "auth_instance", None)
    if loaded is None:
        return "Aegra has loaded no auth handler: auth.path must name agent/api/langgraph/entry.py:auth"
    if loaded is not auth or loaded._authenticate_handler is not authenticate:  # noqa: SLF001 - as Aegra calls it
        return "Aegra has loaded another auth handler than agent/api/langgraph/entry.py:auth"
    return None


def require(backend: object) -> None:
    """Raises `ConfigurationError` unless the handler is in force."""
    if fault := fault_of(backend):
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])


class AegraThreads(ServerThreads):
    """The threads of Aegra, whose search knows no ids."""

    commands: ClassVar[frozenset[str]] = frozenset()

    async def find(self, scope: Scope, thread_id: str) -> str | None:
        status, thread = await self._request(scope, "GET", f"/threads/{quote(thread_id, safe='')}")
        return thread["thread_id"] if status == 200 else None


PUBLIC: Final = frozenset({"/ok", "/live"})
"""Liveness of the process."""

# Closed are the routes that write a state, delete runs, change assistants, and set up schedules, the store,
# the deletion of expired threads, and the pages of the documentation.
ROUTES: Final = (
    "GET /assistants",
    "POST /assistants/search",
    "POST /assistants/count",
    "GET /assistants/{assistant_id}",
    "GET /assistants/{assistant_id}/graph",
    "GET /assistants/{assistant_id}/schemas",
    "GET /assistants/{assistant_id}/subgraphs",
    "POST /assistants/{assistant_id}/versions",
    "GET /threads",
    "POST /threads",
    "POST /threads/search",
    "GET /threads/{thread_id}",
    "PATCH /threads/{thread_id}",
    "DELETE /threads/{thread_id}",
    "GET /threads/{thread_id}/state",
    "GET /threads/{thread_id}/state/{checkpoint_id}",
    "POST /threads/{thread_id}/state/checkpoint",
    "GET /threads/{thread_id}/history",
    "POST /threads/{thread_id}/history",
    "GET /threads/{thread_id}/runs",
    "POST /threads/{thread_id}/runs",
    "POST /threads/{thread_id}/runs/stream",
    "POST /threads/{thread_id}/runs/wait",
    "GET /threads/{thread_id}/runs/{run_id}",
    "GET /threads/{thread_id}/runs/{run_id}/join",
    "GET /threads/{thread_id}/runs/{run_id}/stream",
    "POST /threads/{thread_id}/runs/{run_id}/cancel",
    "POST /threads/{thread_id}/commands",
    "POST /threads/{thread_id}/stream/events",
    "POST /runs",
    "POST /runs/stream",
    "POST /runs/wait",
    "POST /runs/cancel",
)

_ALLOWED: Final = re.compile("|".join(re.sub(r"\{\w+\}", "[^/]+", route) for route in ROUTES))


def allows(scope: Scope) -> bool:
    """Whether the request is for one of the routes. Not checked: the owner of a thread or run."""
    return _ALLOWED.fullmatch(f"{scope['method']} {scope['path']}") is not None


_NOT_IN_FORCE: Final = RequestError(
    None, "the server is not configured to authenticate its callers", code="not_in_force", status=503
)


async def _agent_error(_: Request, error: AgentError) -> Response:
    return error_response(error)


async def _http_error(_: Request, error: HTTPException) -> Response:
    """Aegra's refusals with the agent's body. The text of an internal fault may contain anything."""
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
        return guarded(inner, threads=AegraThreads(inner), public=PUBLIC, allows=allows, sealed=True)
