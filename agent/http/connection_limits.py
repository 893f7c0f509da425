"""Limits of one HTTP connection: times, bytes of incomplete headers and trailers, and pipelined requests.

uvicorn's protocol has none of these limits. It also treats trailers as headers, queues pipelined requests
without a bound, and closes a connection so that a client that still sends loses an early response.

Closing a socket with unread data resets the connection, and after a reset a client may not be able to read
the response. So a connection whose client still sends lingers: the server closes its sending side, keeps
reading and discards the data, and closes when the client has closed (RFC 9112, section 9.6).
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from agent.errors.error_response import RequestError, error_response
from agent.http.request_limits import headers_too_large
from agent.http.response_headers import API_HEADERS
from identity.observation.request_context import REQUEST_ID


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one connection. Times are seconds."""

    head_bytes: int = 65_536
    """The largest incomplete request line and headers; also the largest extensions of a chunk, and
    trailers."""

    head_seconds: float = 30.0
    """From the start of the connection, or the first byte after a response, until the headers are
    complete."""

    body_seconds: float = 60.0
    """From then until the body is complete. Longer than the limit of `body_limit`, which sends a 408."""

    read_seconds: float = 60.0
    """How long a response may wait for its client to read."""

    pipelined: int = 16
    """How many requests may wait for an earlier response."""

    lingering: int = 100
    """Connections of one server that linger at the same time. One more aborts the oldest."""

    linger_bytes: int = 33_554_432
    """How many are discarded of a connection that lingers before it is aborted: more than the largest request
    that a client may send by mistake."""

    linger_seconds: float = 30.0
    """From the end of the response until a connection that lingers is aborted."""

    linger_idle_seconds: float = 5.0
    """How long it may linger without receiving data."""


class Linger:
    """One lingering connection of the server's, which has them in `others`, oldest first. If there are too
    many, the oldest is aborted. `data` counts the received bytes; they are not kept.
    """

    def __init__(
        self, transport: asyncio.Transport, limits: ConnectionLimits, others: "dict[Linger, None]"
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._others = others
        self._loop = asyncio.get_running_loop()
        self._discarded = 0
        self._last_at = self._loop.time()
        self._end_at = self._last_at + limits.linger_seconds
        self._timer: asyncio.TimerHandle | None = None
        if len(others) >= limits.lingering:
            next(iter(others)).abort()
        others[self] = None
        self._check()

    def data(self, count: int) -> None:
        """Counts `count` received bytes."""
        self._discarded += count
        self._last_at = self._loop.time()
        if self._discarded > self._limits.linger_bytes:
            self.abort()

    def end_within(self, seconds: float) -> None:
        """Aborts the connection in `seconds` at the latest."""
        self._end_at = min(self._end_at, self._loop.time() + seconds)
        self._check()

    def abort(self) -> None:
        """Aborts the connection now."""
        self.ended()
        self._transport.abort()

    def ended(self) -> None:
        """The connection is closed."""
        self._others.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        until = min(self._end_at, self._last_at + self._limits.linger_idle_seconds)
        if self._loop.time() >= until:
            self.abort()
        else:
            self._timer = self._loop.call_at(until, self._check)


class ClosingTransport:
    """A transport whose protocol decides how it closes. Everything else is that of `inner`."""

    def __init__(self, inner: asyncio.Transport, close: Callable[[], None]) -> None:
        self.inner: Final = inner
        self._close = close
        self._closing = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - asyncio's own
        return getattr(self.inner, name)

    def close(self) -> None:
        """Lets the protocol close, once."""
        if not self.is_closing():
            self._closing = True
            self._close()

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called, or the connection is lost."""
        return self._closing or self.inner.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends `data`, unless the transport is closing."""
        if not self._closing:
            self.inner.write(data)

    def abort(self) -> None:
        """Closes at once; unsent data is lost."""
        self._closing = True
        self.inner.abort()


_LOG: Final = logging.getLogger("idaas_agent.connection")
_FIELD: Final = len(": \r\n")
_SHUTDOWN_SECONDS: Final = 1.0
"""How long a lingering connection may continue when the server stops."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. Use `functools.partial(LimitedHttpProtocol, limits, {})`, whose last
    argument has the connections of the server that linger, oldest first.

    Trailers are counted and dropped: they never become headers. A response that begins before its request is
    complete ends the connection, which then lingers.
    """

    # Beyond 30 attributes the dictionary of an instance is four times as large.
    __slots__ = (
        *("_between", "_current", "_head_complete", "_keep_alive", "_limits", "_linger", "_lingering"),
        *("_pending_bytes", "_trailer_bytes", "_unread", "_waiting"),
    )

    def __init__(
        self,
        limits: ConnectionLimits,
        lingering: dict[Linger, None],
        *args: Any,  # noqa: ANN401 - uvicorn's own
        **kwargs: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._lingering = lingering
        self._linger: Linger | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._current: RequestResponseCycle | None = None
        self._keep_alive = True
        self._between = True
        self._head_complete = False
        self._pending_bytes = 0
        """The bytes since the last part of a body, or the end of the headers or of a request."""
        self._trailer_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begins to wait for the first request."""
        super().connection_made(cast(asyncio.Transport, ClosingTransport(transport, self._close)))
        self._wait(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels all timers, and notifies the response in progress."""
        self._wait(None)
        if self._linger is not None:
            self._linger.ended()
        if self._current is not None and not self._current.response_complete:
            self._current.disconnected = True  # uvicorn does so for the last request only
            self._current.message_event.set()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless the connection lingers. Refuses invalid HTTP and exceeded limits."""
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
            pass  # other protocols are not supported; the request is handled like any other
        except httptools.HttpParserError:
            self._refuse(RequestError(None, "the request is not valid HTTP/1.1"))
        if max(self._pending_bytes, self._trailer_bytes) > self._limits.head_bytes:
            self._refuse(headers_too_large(self._limits.head_bytes))

    def on_message_begin(self) -> None:
        """Starts the timer of the headers; their first bytes may have come with another request."""
        self._wait(self._limits.head_seconds)
        self._head_complete = False
        self._trailer_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header; counts and drops a trailer."""
        if self._head_complete:
            self._trailer_bytes += len(name) + len(value) + _FIELD
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts the timer of the body. A response before the body is complete is the connection's last."""
        if len(self.pipeline) >= self._limits.pipelined:
            self.transport.abort()
            raise ValueError("too many pipelined requests")  # stops the parser
        self._head_complete = True
        self._between = False
        self._pending_bytes = 0
        self._wait(self._limits.body_seconds)
        super().on_headers_complete()
        self._keep_alive = self.cycle.keep_alive
        self.cycle.keep_alive = False
        if self.parser.get_http_version() == "1.0":  # RFC 9110, section 10.1.1
            self.cycle.waiting_for_100_continue = False

    def on_body(self, body: bytes) -> None:
        """Passes on a part of the body."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; the next one may begin until keep-alive ends."""
        self._between = True
        self._pending_bytes = 0
        self._wait(None)
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads too slowly: starts the timer of reading."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again: cancels the timer."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops: closes the connection now, or after the response in progress."""
        self._keep_alive = False
        super().shutdown()
        if self._linger is not None:
            self._linger.end_within(_SHUTDOWN_SECONDS)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._current = cycle
        super()._start_asgi_task(cycle, app)

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # the server itself has paused reading
            self._wait(self._limits.body_seconds)
        elif self._pending_bytes or not self._between:
            text = "the request did not arrive in time"
            self._refuse(RequestError(None, text, code="request_timeout", status=408))
        else:
            self.transport.abort()

    def _refuse(self, error: RequestError) -> None:
        """Responds in place of the application, which is notified of a disconnect."""
        if self.transport.is_closing():
            return
        current = self._current
        if current is not None and not current.response_complete:
            if current is not self.cycle or not self._head_complete or current.response_started:
                self.transport.abort()  # a response has begun, and this one must not follow in it
                return
            current.disconnected = True
            current.message_event.set()
        request_id = secrets.token_hex(8)
        line = {"status": error.status, "code": error.code, "request_id": request_id}
        _LOG.info("request refused by the server", extra={"fields": line})
        outer = REQUEST_ID.set(request_id)
        headers = {**API_HEADERS, "Connection": "close", "X-Request-Id": request_id}
        response = error_response(error, headers)
        REQUEST_ID.reset(outer)
        head = b"".join(b"%s: %s\r\n" % header for header in response.raw_headers)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + response.body)
        self._pending_bytes += 1  # the rest of it may still arrive
        self.transport.close()

    def _close(self) -> None:
        """Closes the connection: at once if the request was complete, else after lingering."""
        transport = self.transport.inner  # type: ignore[attr-defined]  # set in connection_made
        if self._between and not self._pending_bytes:
            transport.close()
            return
        self._wait(None)
        self.flow.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._linger = Linger(transport, self._limits, self._lingering)
