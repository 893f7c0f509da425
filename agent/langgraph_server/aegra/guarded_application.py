"""The FastAPI application to which Aegra adds its routes, with the guard outside of everything.

Aegra adds middleware of its own to the application that it is given: a log, its CORS. The guard is outside of
it, so that no request reaches any of them that it has not admitted.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_body
from agent.langgraph_server.aegra.admitted_request import ADMITTED, AdmittedRequest
from agent.langgraph_server.aegra.aegra_routes import PUBLIC, allows
from agent.langgraph_server.aegra.aegra_threads import AegraThreads
from agent.langgraph_server.aegra.own_threads import OwnThreads
from agent.langgraph_server.aegra.run_requests import RunRequests
from agent.langgraph_server.consent_addresses import ConsentAddresses
from agent.langgraph_server.cross_origin import CrossOrigin
from agent.langgraph_server.protocol.thread_protocol import ThreadProtocol
from agent.langgraph_server.route_guard import RouteGuard
from agent.langgraph_server.token_references import VERIFIED

_NOT_IN_FORCE: Final = RequestError(
    None, "the server is not configured to authenticate its callers", code="not_in_force", status=503
)


class GuardedApplication(FastAPI):
    """Every request is refused with 503 while `fault` returns one."""

    def __init__(self, fault: Callable[[], str | None], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(docs_url=None, redoc_url=None, **options)
        self._fault = fault

    def build_middleware_stack(self) -> ASGIApp:
        """Aegra's, inside of the guard's."""
        inner = super().build_middleware_stack()
        threads = AegraThreads(inner)
        checked = OwnThreads(ThreadProtocol(RunRequests(inner, threads), threads=threads), threads)
        guarded = RouteGuard(ConsentAddresses(Admitting(checked)), public=PUBLIC, allows=allows)
        return InForce(CrossOrigin(guarded), self._fault)


class InForce:
    """A pure ASGI middleware: 503 for every request while the auth handler is not in force."""

    def __init__(self, app: ASGIApp, fault: Callable[[], str | None]) -> None:
        self._app = app
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests on while there is no fault."""
        if scope["type"] == "http" and self._fault() is not None:
            await JSONResponse(error_body(_NOT_IN_FORCE), 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class Admitting:
    """A pure ASGI middleware, inside of the guard: hands the caller to the auth handler.

    It also keeps the server's CORS out of both directions, because the guard's is outside of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes every request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = scope.get(VERIFIED)
        token = ADMITTED.set(None if caller is None else AdmittedRequest(caller))

        async def without_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                kept = [header for header in headers if not header[0].lower().startswith(b"access-control-")]
                message = {**message, "headers": kept}
            await send(message)

        try:
            headers = [header for header in scope["headers"] if header[0] != b"origin"]
            await self._app({**scope, "headers": headers}, receive, without_cors)
        finally:
            ADMITTED.reset(token)
