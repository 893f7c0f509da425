"""How the service ends without losing anything: what runs may finish for a while, then it gets a last word.

A server says when it was told to stop (`agent.server.web_server`). That is long before the lifespan ends: a
server ends it when the last connection is closed.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.api.errors import error_response
from identity.error_table import ErrorCode
from identity.errors import AgentError

LAST_WORD_SECONDS: Final = 1.0
"""What ended runs need to say so: to give up their calls, to record that, and to send it."""


class Shutdown:
    """The end of one application. `told` is called at its beginning, `end_runs` when time is up."""

    def __init__(self, *, told: Callable[[], None], end_runs: Callable[[], None]) -> None:
        self._told = told
        self._end_runs = end_runs
        self._begun = False
        self._ended = False
        self._requests: set[anyio.CancelScope] = set()

    def begin(self, seconds: float) -> None:
        """What runs has `seconds` left, from the first call on. Call it in the event loop."""
        if self._begun:
            return
        self._begun = True
        self._told()
        asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """What runs is ended now, and a moment later all that is not a run: it waits for somebody else."""
        if self._ended:
            return
        self._begun = self._ended = True
        self._told()
        self._end_runs()
        asyncio.get_running_loop().call_later(LAST_WORD_SECONDS, self._end_requests)

    def _end_requests(self) -> None:
        for request in list(self._requests):
            request.cancel()

    @contextmanager
    def request(self) -> Iterator[anyio.CancelScope]:
        """The scope of one request, which is cancelled at the end of all."""
        with anyio.CancelScope() as scope:
            self._requests.add(scope)
            try:
                yield scope
            finally:
                self._requests.discard(scope)


class ShutdownMiddleware:
    """A pure ASGI middleware. A request that the shutdown ends is answered 503, if nothing was sent yet."""

    def __init__(self, app: ASGIApp, *, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        with self._shutdown.request() as request:
            await self._app(scope, receive, noted)
        if not request.cancelled_caught:
            return
        if begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await error_response(shutting_down(), {"Connection": "close"})(scope, receive, send)


def shutting_down() -> AgentError:
    """What whoever still waits for an answer is told."""
    return AgentError(ErrorCode.SHUTTING_DOWN, "the agent was told to stop")
