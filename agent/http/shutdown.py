"""Graceful shutdown: runs may finish for a while; then each is ended, and its response reports why.

The server calls `Shutdown.begin` when it is stopped (`agent.http.web_server`), long before the lifespan
ends: that happens when the last connection is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

import anyio
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import error_response
from identity.errors import UnavailableError

FINAL_EVENT_SECONDS: Final = 1.0
"""How long ended runs may take to cancel their calls, to record that, and to send their error."""


@dataclass(slots=True)
class Shutdown:
    """The shutdown of one application.

    `on_begin` is called when it begins, `end_runs` when its time has passed; `runs_ended` waits for all runs.
    """

    _: KW_ONLY
    on_begin: Callable[[], None]
    end_runs: Callable[[], None]
    runs_ended: Callable[[], Awaitable[None]]
    _begun: bool = field(init=False, default=False)
    _ended: bool = field(init=False, default=False)
    _requests: set[anyio.CancelScope] = field(init=False, default_factory=set)

    def begin(self, seconds: float) -> None:
        """Gives runs `seconds` to finish, from the first call on. Call it in the event loop."""
        if self._begun:
            return
        self._begun = True
        self.on_begin()
        asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """Ends all runs now, and `FINAL_EVENT_SECONDS` later every other request."""
        if self._ended:
            return
        self._begun = self._ended = True
        self.on_begin()
        self.end_runs()
        asyncio.get_running_loop().call_later(FINAL_EVENT_SECONDS, self._end_requests)

    async def ended(self) -> None:
        """Waits until all runs have ended, whether a client reads them or not. Without `begin`, ends them."""
        if not self._begun:
            self.end()
        await self.runs_ended()

    def _end_requests(self) -> None:
        for request in list(self._requests):
            request.cancel()

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware: a request that the shutdown ends gets 503 if nothing was sent yet. A response that
        has begun gets no end: no client takes it for a whole one.
        """

        async def until_shutdown(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            begun = False

            async def send_and_note(message: Message) -> None:
                nonlocal begun
                begun = True
                if self._begun and message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["Connection"] = "close"  # the next request goes elsewhere
                await send(message)

            with anyio.CancelScope() as request:
                self._requests.add(request)
                try:
                    await app(scope, receive, send_and_note)
                finally:
                    self._requests.discard(request)
            if request.cancelled_caught and not begun:
                await error_response(shutting_down(), {"Connection": "close"})(scope, receive, send)

        return until_shutdown


def shutting_down() -> UnavailableError:
    """The error of every request that the shutdown ends."""
    return UnavailableError(AgentCode.SHUTTING_DOWN, "the agent is stopping")
