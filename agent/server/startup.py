"""The application while it is being made: `/health` is answered at once, all else as soon as it can be.

To import and compose the agent takes a second or two, and LangServe some more. Both are done in a thread, so
that a health check succeeds meanwhile; early requests wait until they can be served. LangServe is imported
when it is first requested, or after a pause, so that it does not delay the first chat.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.errors import RequestError, error_response
from agent.middleware.response_headers import ResponseHeaders

_PAUSE_SECONDS: Final = 2.0
_STARTING: Final = {
    "code": "starting",
    "symptom": "The agent is starting",
    "cause": "its parts are being made, which takes a second or two",
    "remedy": "send the request again in a moment",
}
_START_FAILED: Final = {
    "code": "start_failed",
    "symptom": "The agent could not be started",
    "cause": "a part of it could not be made; the agent stops",
    "remedy": "read the last error in the log of the agent",
}


class Composed(Protocol):
    """An application that can serve, except for what `complete` adds."""

    @property
    def app(self) -> ASGIApp:
        """It, without a lifespan."""
        ...

    def lifespan(self) -> AbstractAsyncContextManager[object]:
        """What is open while it serves."""
        ...

    def complete(self) -> Callable[[], None]:
        """Makes what is left, in a thread, and returns what adds it, in the event loop."""
        ...

    def begin(self, seconds: float) -> None:
        """See `agent.server.web_server.GracefulShutdown`."""
        ...

    def end(self) -> None:
        """See `agent.server.web_server.GracefulShutdown`."""
        ...


class Starting:
    """The application that `compose` makes, while it is being made; also its
    `agent.server.web_server.GracefulShutdown`.

    `late` returns whether a path is served only when all is complete. If anything cannot be made,
    `failed` is called, in the event loop, and `failure` has the reason.
    """

    def __init__(
        self, compose: Callable[[], Composed], *, late: Callable[[str], bool], failed: Callable[[], None]
    ) -> None:
        self._compose = compose
        self._late = late
        self._failed = failed
        self._composed: Composed | None = None
        self._serving = asyncio.Event()
        self._wanted = asyncio.Event()
        self._complete = asyncio.Event()
        self._stopped = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers `/health` and, as not ready, `/ready`; passes on the rest when it can be served."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        composed = self._composed
        if composed is None:
            if scope["type"] == "http" and (early := _early(scope, self.failure)) is not None:
                await ResponseHeaders(early)(scope, receive, send)
                return
            await self._serving.wait()
            composed = self._composed
        if composed is None:
            failed = RequestError(None, "the agent could not be started", code="start_failed", status=503)
            await ResponseHeaders(error_response(failed))(scope, receive, send)
            return
        if not self._complete.is_set() and self._late(scope["path"]):
            self._wanted.set()
            await self._complete.wait()
        await composed.app(scope, receive, send)

    def begin(self, seconds: float) -> None:
        """Stopping, what was composed lets its answers go on."""
        if self._composed is not None:
            self._composed.begin(seconds)

    def end(self) -> None:
        """Ends them."""
        if self._composed is not None:
            self._composed.end()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        work = asyncio.create_task(self._work(), name="starting")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._wanted.set()
        self._stopped.set()
        await work
        await send({"type": "lifespan.shutdown.complete"})

    async def _work(self) -> None:
        try:
            composed = await asyncio.to_thread(self._compose)
            async with composed.lifespan():
                self._composed = composed
                self._serving.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_SECONDS):
                        await self._wanted.wait()
                if not self._stopped.is_set():
                    add = await asyncio.to_thread(composed.complete)
                    add()
                self._complete.set()
                await self._stopped.wait()
        except Exception as error:  # noqa: BLE001 - `serve` raises it
            self.failure = error
            self._serving.set()
            self._complete.set()
            self._failed()


def _early(scope: Scope, failure: Exception | None) -> JSONResponse | None:
    if scope["method"] not in ("GET", "HEAD"):
        return None
    if scope["path"] == "/health":
        return JSONResponse({"status": "ok"})
    if scope["path"] == "/ready":
        check = _STARTING if failure is None else _START_FAILED
        body = {"status": "not_ready", "checks": {"start": {"ok": False, **check}}}
        return JSONResponse(body, 503, {"Retry-After": "1"})
    return None
