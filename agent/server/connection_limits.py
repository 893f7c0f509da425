"""Bounds of one HTTP connection: in time, in what a request may leave unfinished, and in requests that wait.

uvicorn's protocol has none of these limits. It also takes trailers for headers, queues pipelined requests
without end, and closes a connection in a way that takes an early answer away from a client that still sends.
"""

import asyncio
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from agent.api.errors import RequestError, error_body
from agent.middleware.header_limit import headers_too_large
from agent.middleware.response_headers import api_headers
from agent.server.lingering_close import ClosingTransport, Linger, Lingering
from identity.request_id import REQUEST_ID

_LOG: Final = logging.getLogger("idaas_agent.connection")
_FIELD: Final = len(": \r\n")
_SHUTDOWN_SECONDS: Final = 1.0
"""How long a connection that is read on has left when the server stops."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one connection. Times are seconds."""

    head_bytes: int = 65_536
    """What of a request may arrive before its headers are complete; also of a chunk's extensions, and of
    trailers."""

    head_seconds: float = 30.0
    """From the first moment, or the first byte after an answer, until the headers are complete."""

    body_seconds: float = 60.0
    """From there until the body is complete. More than `BodyLimit` grants, which answers properly."""

    read_seconds: float = 60.0
    """How long an answer may wait for its client to read on."""

    pipelined: int = 16
    """How many requests may wait for the answer of one before them."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's, with bounds. Make it with `functools.partial(LimitedHttpProtocol, limits, lingering)`.

    Trailers are counted and dropped: they never become headers. An answer that begins before its request is
    complete ends the connection, and is followed by reading on within the limits of `lingering`.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        lingering: Lingering,
        *args: Any,  # noqa: ANN401 - uvicorn's own
        **kwargs: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._lingering = lingering
        self._linger: Linger | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._keep_alive = True
        self._between = True
        self._head_complete = False
        self._pending_bytes = 0
        """What came since the last piece of a body, or the end of a head or a request."""
        self._trailer_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begins to wait for the first request."""
        super().connection_made(ClosingTransport(transport, self._close))
        self._wait(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing more, and lets the answer that is under way know."""
        self._wait(None)
        if self._linger is not None:
            self._lingering.ended(self._linger)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn does so for the last request only
            self._running.message_event.set()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless the connection is only read on. Refuses what is too much, or no HTTP."""
        if self._linger is not None:
            self._linger.data(len(data))
            return
        if self._between and self._waiting is None:
            self._wait(self._limits.head_seconds)
        self._pending_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken; the request is answered as any other
        except httptools.HttpParserError:
            self._refuse(RequestError(None, "the request is not valid HTTP/1.1"))
        if max(self._pending_bytes, self._trailer_bytes) > self._limits.head_bytes:
            self._refuse(headers_too_large(self._limits.head_bytes))

    def on_message_begin(self) -> None:
        """Begins to wait for the headers; the first bytes of them may have come with another request."""
        self._wait(self._limits.head_seconds)
        self._head_complete, self._trailer_bytes = False, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header. A trailer is counted, and dropped."""
        if self._head_complete:
            self._trailer_bytes += len(name) + len(value) + _FIELD
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins to wait for the body. Until it is complete, an answer is the connection's last."""
        if len(self.pipeline) >= self._limits.pipelined:
            self.transport.abort()
            raise ValueError("too many requests wait")  # the parser stops
        self._head_complete, self._between, self._pending_bytes = True, False, 0
        self._wait(self._limits.body_seconds)
        super().on_headers_complete()
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        if self.parser.get_http_version() == "1.0":  # RFC 9110, section 10.1.1
            self.cycle.waiting_for_100_continue = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; the next may come whenever it likes, until keep-alive ends."""
        self._between, self._pending_bytes = True, 0
        self._wait(None)
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not keep up: begins to wait for it."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops: closes the connection now, or after the answer that is under way."""
        self._keep_alive = False
        super().shutdown()
        if self._linger is not None:
            self._linger.end_within(_SHUTDOWN_SECONDS)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # it is the server that does not read
            self._wait(self._limits.body_seconds)
        elif self._pending_bytes or not self._between:
            text = "the request took too long to arrive"
            self._refuse(RequestError(None, text, code="request_timeout", status=408))
        else:
            self.transport.abort()

    def _refuse(self, error: RequestError) -> None:
        """Answers in place of the application, which then sees that the client is gone."""
        if self.transport.is_closing():
            return
        running = self._running
        if running is not None and not running.response_complete:
            if running is not self.cycle or not self._head_complete or running.response_started:
                self.transport.abort()  # an answer is under way, and must not go on with this one
                return
            running.disconnected = True
            running.message_event.set()
        request_id = secrets.token_hex(8)
        line = {"status": error.status, "code": error.code, "request_id": request_id}
        _LOG.info("request refused by the server", extra={"fields": line})
        outer = REQUEST_ID.set(request_id)
        body = json.dumps(error_body(error)).encode()
        REQUEST_ID.reset(outer)
        headers = {
            **api_headers(),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-Id": request_id,
        }
        head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        self.transport.write(STATUS_LINE[error.status] + head.encode() + body)
        self._pending_bytes += 1  # more of it may come
        self.transport.close()

    def _close(self) -> None:
        """Closes the connection: at once if the request was whole, else after reading on."""
        transport = self.transport.inner  # type: ignore[attr-defined]  # made in connection_made
        if self._between and not self._pending_bytes:
            transport.close()
            return
        self._wait(None)
        self.flow.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._linger = self._lingering.begin(transport)
