"""The route guard of LangGraph Server: an allow-list of routes, each public or for verified callers.

The server authenticates its threads, runs and assistants (`agent.api.langgraph.authorization`), but not
its own service routes. `langgraph dev` has some that empty its memory, show any thread, and start a
deployment. Therefore every route that is not listed here is closed. `langgraph.json` names `app` as
`http.app`: its middleware runs before every route of the server.

The guard verifies the token itself and passes the result on, because the server's own refusal has no
challenge, uses the last of several `Authorization` headers, and turns an outage of IDaaS into a 500. The
token does not reach the server.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.consent_url_injector import ConsentUrlInjector
from agent.api.langgraph.run_request_guard import RunRequestGuard
from agent.api.langgraph.server_agent import agent_of_this_loop, end_agents
from agent.api.langgraph.server_threads import ServerThreads
from agent.errors.error_response import RequestError, error_body, error_response
from agent.http.cross_origin import PageOrigins
from agent.http.request_limits import body_limit
from agent.http.request_log import device_of
from agent.http.response_headers import API_HEADERS, add_headers
from agent.http.role_headers import take_role_headers
from identity.errors import AccessTokenError, AgentError, ConfigurationError
from identity.observation.request_context import DEVICE, REQUEST_ID

AUTHENTICATED_BY_THE_SERVER: Final = ("/assistants", "/threads", "/runs")
"""These and the paths below them. The server also calls the handlers of `entry` for them."""

FOR_VERIFIED_CALLERS: Final = frozenset({"/info", "/openapi.json"})
"""Read only. They contain versions and addresses, and Studio reads them."""

PUBLIC: Final = "/ok"
"""Liveness of the process."""

_CORS: Final = b"access-control-"

_DISCARDED: Final = 16 * 1024 * 1024
"""Bytes of a body above the limit that are read so that the refusal arrives."""


def _left_to_the_server(scope: Scope) -> bool:
    path: str = scope["path"]
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in AUTHENTICATED_BY_THE_SERVER)


def guarded(
    app: ASGIApp,
    *,
    threads: ServerThreads | None = None,
    public: Collection[str] = (PUBLIC,),
    allows: Callable[[Scope], bool] = _left_to_the_server,
    sealed: bool = False,
) -> ASGIApp:
    """`app`, a server of LangGraph's API, behind all guards. From the outside in:

    1. `CrossOrigin`: which pages may read a response, refusals included.
    2. `RouteGuard`: the caller is verified, and the route is allowed; the token goes no further.
    3. `ConsentUrlInjector`: the caller's URLs of consents are filled into the response.
    4. `RunRequestGuard`: the thread is the caller's, and what a run is given is allowed.

    `threads` are by default the threads of `langgraph dev`; for the rest see `RouteGuard`.
    """
    judged = ConsentUrlInjector(RunRequestGuard(app, threads=threads))
    return CrossOrigin(RouteGuard(judged, public=public, allows=allows, sealed=sealed))


@dataclass(frozen=True, slots=True)
class RouteGuard:
    """A pure ASGI middleware: 401 or 403 without a valid token, 404 for closed routes with one. `allows`:
    whether a verified caller's request reaches the server. By default the routes above. `sealed`: see
    `AdmittedRequest`.
    """

    app: ASGIApp
    _: KW_ONLY
    public: Collection[str] = (PUBLIC,)
    allows: Callable[[Scope], bool] = _left_to_the_server
    sealed: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes allowed requests to the application and refuses the others."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _ending(send))
            return
        if scope["type"] != "http":  # a websocket: every route of that kind is closed
            await send({"type": "websocket.close", "code": 1008})
            return

        request_id = secrets.token_hex(8)
        REQUEST_ID.set(request_id)
        DEVICE.set(device_of(scope))

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The server's own CORS is inside of this one's, which alone says who may read a response.
                own = [
                    header for header in message.get("headers", []) if not header[0].lower().startswith(_CORS)
                ]
                message = {**message, "headers": own}
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Request-Id", request_id)
                add_headers(headers, API_HEADERS)
            await send(message)

        reads = scope["method"] in ("GET", "HEAD")
        if scope["path"] in self.public and reads:
            await self.app(without_tokens(scope), receive, marked)
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
        if self.allows(scope) or (scope["path"] in FOR_VERIFIED_CALLERS and reads):
            limit = agent.settings.max_body_bytes
            bounded = body_limit(
                self.app,
                max_bytes=limit,
                discarded=_DISCARDED,
                arrived=lambda _: agent.admission.admit_again(caller),
            )
            stream = VerifiedStream(receive, marked, partial(agent.verifier.verify, caller.token))
            token = ADMITTED.set(AdmittedRequest(caller, self.sealed))
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


def _ending(send: Send) -> Send:
    """`send` for the end of the process: the agent ends after the server's last run."""

    async def forward(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await end_agents()
        await send(message)

    return forward


SECONDS: Final = 1.0
"""Between two verifications of one stream. A token that was verified before costs microseconds."""


@dataclass(eq=False, slots=True)
class VerifiedStream:
    """`receive` and `send` of one request, for the application inside.

    Streams of threads do not end by themselves, and the caller was verified when they began. While nothing
    happens the server sends a comment every five seconds, so a stream ends that soon after its caller's token
    has expired or was revoked: `_verify` raises `AccessTokenError` then.
    """

    _receive: Receive
    _send: Send
    _verify: Callable[[], Awaitable[object]]
    _clock: Callable[[], float] = time.monotonic
    _next: float = field(init=False)
    _ended: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._next = self._clock() + SECONDS

    async def send(self, message: Message) -> None:
        """Sends `message`, unless the stream has ended; ends it if the token is refused."""
        if message.get("more_body", False) and not self._ended.is_set() and self._clock() >= self._next:
            self._next = self._clock() + SECONDS
            try:
                await self._verify()
            except AccessTokenError:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                self._ended.set()
            except AgentError:
                pass  # it cannot be verified now, and is next time
        if not self._ended.is_set():
            await self._send(message)

    async def receive(self) -> Message:
        """The next message of the client; a disconnect when the stream has ended."""
        message = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((message, ended), return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            message.cancel()
            ended.cancel()


_AUTHORIZATION: Final = b"authorization"
_API_KEY: Final = b"x-api-key"

_WITHHELD: Final = frozenset(
    {_AUTHORIZATION, _API_KEY, b"x-service-key", b"x-tenant-id", b"langsmith-trace", b"baggage", b"origin"}
)
"""The server copies some of these into the configuration of a run, which it stores; `baggage` can name a
project of LangSmith. `Origin` has been answered (`CrossOrigin`)."""


def presented_tokens(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The tokens of one request, each as a value of `Authorization`.

    LangGraph's front ends (agent-chat-ui, Agent Inbox, the SDKs' `apiKey`) can send no other header than
    `X-Api-Key`. There it contains the access token itself, without a scheme.

    Not checked: that there is one. `Admission.admit` refuses several, also one in each header (RFC 6750,
    section 2).
    """
    tokens = []
    for name, value in headers:
        text = value.decode("latin-1")
        if name == _AUTHORIZATION:
            tokens.append(text)
        elif name == _API_KEY:
            tokens.append(f"Bearer {text}")
    return tokens


def without_tokens(scope: Scope) -> Scope:
    """The scope for the server: without the token, and without headers that would reach a run."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] not in _WITHHELD]}


app: Final = Starlette(middleware=[Middleware(guarded)])


STUDIO: Final = ("https://smith.langchain.com", "https://eu.smith.langchain.com")
"""The pages of LangGraph Studio. They send the access token only if its user enters it there."""

_EXPOSED: Final = (
    "Content-Location",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Pagination-Next",
    "X-Pagination-Total",
    "X-Request-Id",
)
"""The clients read a run's id from the first, and reconnect a stream with the second."""


class CrossOrigin:
    """The pages that may call LangGraph Server from a browser: `CORS_ALLOWED_ORIGINS` and Studio.

    A pure ASGI middleware outside of the route guard, so that a page can read why a request is refused. The
    server's own is inside of it; `langgraph.json` allows no origin there. It reads the setting at the first
    request that has an `Origin`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._with_headers: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Responds to preflight requests, and adds the headers to responses for allowed origins.

        While the settings are invalid, no origin is allowed.
        """
        app = self._app
        if scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"]):
            app = await self._allowing()
        await app(scope, receive, send)

    async def _allowing(self) -> ASGIApp:
        if self._with_headers is None:
            try:
                settings = (await agent_of_this_loop()).settings
            except ConfigurationError:
                return self._app
            self._with_headers = PageOrigins(
                self._app,
                allow_origins=(*settings.cors_allowed_origins, *STUDIO),
                allow_methods=("GET", "POST", "PATCH", "DELETE"),
                allow_headers=("*",),
                allow_private_network=True,
                expose_headers=_EXPOSED,
                max_age=600,
            )
        return self._with_headers
