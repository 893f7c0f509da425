"""The route guard of LangGraph Server: an allow-list of routes, each public or for verified callers.

The server authenticates its threads, runs and assistants (`agent.api.langgraph.authorization`), but not
its own service routes. `langgraph dev` has some that empty its memory, show any thread, and start a
deployment. Therefore every route that is not listed here is closed. `langgraph.json` names `app` as
`http.app`: its middleware runs before every route of the server.

The guard verifies the token itself and passes the result on, because the server's own refusal has no
challenge, uses the last of several `Authorization` headers, and turns an outage of IDaaS into a 500. The
token does not reach the server.
"""

import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.api.langgraph.access_token_headers import presented_tokens, without_tokens
from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.consent_url_injector import ConsentUrlInjector
from agent.api.langgraph.cross_origin import CrossOrigin
from agent.api.langgraph.run_request_guard import RunRequestGuard
from agent.api.langgraph.server_agent import agent_of_this_loop, end_agents
from agent.api.langgraph.verified_stream import VerifiedStream
from agent.errors.error_response import RequestError, error_body, error_response
from agent.http.body_limit import BodyLimit
from agent.http.response_headers import add_headers, api_headers
from agent.http.role_headers import take_role_headers
from identity.errors import AccessTokenError, AgentError
from identity.observation.request_context import REQUEST_ID

AUTHENTICATED_BY_THE_SERVER: Final = ("/assistants", "/threads", "/runs")
"""These and the paths below them. The server also calls the handlers of `entry` for them."""

FOR_VERIFIED_CALLERS: Final = frozenset({"/info", "/openapi.json"})
"""Read only. They contain versions and addresses, and Studio reads them."""

PUBLIC: Final = "/ok"
"""Liveness of the process."""

_CORS: Final = b"access-control-"

_DISCARDED: Final = 16 * 1024 * 1024
"""Bytes of a body above the limit that are read so that the refusal arrives."""


class RouteGuard:
    """A pure ASGI middleware: 401 or 403 without a valid token, 404 for closed routes with one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public: Collection[str] = (PUBLIC,),
        allows: Callable[[Scope], bool] | None = None,
        sealed: bool = False,
    ) -> None:
        """`allows`: whether a verified caller's request reaches the server. By default the routes above.
        `sealed`: see `AdmittedRequest`.
        """
        self._app = app
        self._sealed = sealed
        self._public = public
        self._allows = allows or _left_to_the_server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes allowed requests to the application and refuses the others."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _ending(send))
            return
        if scope["type"] != "http":  # a websocket: every route of that kind is closed
            await send({"type": "websocket.close", "code": 1008})
            return

        request_id = secrets.token_hex(8)
        REQUEST_ID.set(request_id)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The server's own CORS is inside of this one's, which alone says who may read a response.
                kept = (each for each in message.get("headers", []) if not each[0].lower().startswith(_CORS))
                message = {**message, "headers": list(kept)}
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Request-Id", request_id)
                add_headers(headers, api_headers())
            await send(message)

        reads = scope["method"] in ("GET", "HEAD")
        if scope["path"] in self._public and reads:
            await self._app(without_tokens(scope), receive, marked)
            return
        try:
            agent = await agent_of_this_loop()
            caller = await agent.admission.admit(presented_tokens(scope["headers"]))
        except AgentError as error:
            await _refusal(error)(scope, receive, marked)
            return
        if (role := agent.settings.header_role) is not None:
            scope = take_role_headers(scope, role, verified=True)
        scope = without_tokens(scope)
        if self._allows(scope) or (scope["path"] in FOR_VERIFIED_CALLERS and reads):
            limit = agent.settings.max_body_bytes
            bounded = BodyLimit(
                self._app,
                max_bytes=limit,
                discarded=_DISCARDED,
                arrived=lambda _: agent.admission.admit_again(caller),
            )
            stream = VerifiedStream(receive, marked, partial(agent.verifier.verify, caller.token))
            token = ADMITTED.set(AdmittedRequest(caller, self._sealed))
            try:
                with suppress(ClientDisconnect):
                    await bounded(scope, stream.receive, stream.send)
            except AgentError as error:  # of `admit_again`: the server responds to its own
                await _refusal(error)(scope, receive, marked)
            finally:
                ADMITTED.reset(token)
            return
        closed = RequestError(None, "no such route", code="not_found", status=404)
        await JSONResponse(error_body(closed), 404)(scope, receive, marked)


def _refusal(error: AgentError) -> Response:
    challenge = {"WWW-Authenticate": "Bearer"} if isinstance(error, AccessTokenError) else {}
    return error_response(error, challenge)


def _left_to_the_server(scope: Scope) -> bool:
    path: str = scope["path"]
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in AUTHENTICATED_BY_THE_SERVER)


def _ending(send: Send) -> Send:
    """`send` for the end of the process: the agent ends after the server's last run."""

    async def forward(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await end_agents()
        await send(message)

    return forward


app: Final = Starlette(
    middleware=[
        Middleware(CrossOrigin),
        Middleware(RouteGuard),
        Middleware(ConsentUrlInjector),
        Middleware(RunRequestGuard),
    ],
)
