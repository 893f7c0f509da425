"""AgentRun's gateway: path prefix, session, inbound JWT, platform headers, a frozen instance."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from plugins.package.tests.agentrun_instance import Instance
from sandbox.function_compute.http_trigger import TokenRejectedError, check

_SESSION = "x-agentrun-session-id"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"})


class Gateway:
    """Serves `/agent-runtimes/{name}/endpoints/{endpoint}/invocations/…` from one instance.

    Headers `x-fc-*` that a client sends are dropped; `platform_headers` gives the platform's own for each
    request. The instance is thawed for the first of simultaneous requests and frozen after the last.

    `jwks` is the inbound credential of the kind `jwt`: a request without a bearer token that these keys have
    signed, or with an expired one, does not reach the instance. As at the vendor's, audience and scope are
    not checked here. The vendor does not publish the refusal; this one is 401. Without `jwks` all requests
    pass. A request without the header `X-AgentRun-Session-ID` gets one.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        platform_headers: Callable[[], Mapping[str, str]] = dict,
        endpoint: str = "production",
        jwks: Callable[[], Mapping[str, Any]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._instance = instance
        self._platform_headers = platform_headers
        self._endpoint = endpoint
        self._jwks = jwks
        self._clock = clock
        self._in_flight = 0
        self._http = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 - the agent has its own limits

    def application(self) -> Starlette:
        """The ASGI application."""
        path = f"/agent-runtimes/{self._instance.name}/endpoints/{self._endpoint}/invocations/{{rest:path}}"
        return Starlette(routes=[Route(path, self.invoke, methods=["GET", "HEAD", "POST", "OPTIONS"])])

    async def invoke(self, request: Request) -> Response:
        """One request."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        url = f"http://127.0.0.1:{self._instance.port}/{request.path_params['rest']}"
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in _HOP_BY_HOP and not name.startswith("x-fc-")
        }
        session = request.headers.get(_SESSION) or uuid.uuid4().hex
        headers |= {_SESSION: session, "x-fc-request-id": str(uuid.uuid4()), **self._platform_headers()}
        body = await request.body()
        self._begin()
        try:
            made = self._http.build_request(
                request.method, url, params=request.query_params, headers=headers, content=body
            )
            response = await self._http.send(made, stream=True)
        except httpx.HTTPError as error:
            self._end()
            return PlainTextResponse(f"no response from the instance: {type(error).__name__}", 502)
        kept = {name: value for name, value in response.headers.items() if name not in _HOP_BY_HOP}
        return StreamingResponse(
            self._content(response),
            response.status_code,
            kept | {_SESSION: session},
            background=BackgroundTask(self._closed, response),
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _refusal(self, request: Request) -> Response | None:
        if self._jwks is None:
            return None
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            check(token if kind.lower() == "bearer" else "", self._jwks(), self._clock())
        except TokenRejectedError as error:
            return PlainTextResponse(f"inbound credential: {error}", 401)
        return None

    async def _content(self, response: httpx.Response) -> AsyncIterator[bytes]:
        async for part in response.aiter_raw():
            yield part

    async def _closed(self, response: httpx.Response) -> None:
        await response.aclose()
        self._end()

    def _begin(self) -> None:
        if not self._in_flight:
            self._instance.thaw()
        self._in_flight += 1

    def _end(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._instance.freeze()
