"""An HTTP service for tests that records what it receives."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Respond = Callable[[Request], Response | Awaitable[Response]]


@dataclass
class Recorder:
    """An ASGI application that records each request with its whole body, then responds by `respond`.

    `requests[n].body()` and `.json()` may be awaited after the response; `bodies[n]` is the same body.
    """

    respond: Respond = lambda _: JSONResponse("ok")
    requests: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self.bodies.append(await request.body())
        self.requests.append(request)
        response = self.respond(request)
        if inspect.isawaitable(response):
            response = await response
        await response(scope, receive, send)


def bearer(request: Request) -> str:
    """The bearer token of a request; empty without one."""
    return request.headers.get("authorization", "").removeprefix("Bearer ")
