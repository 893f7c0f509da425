"""Closes a connection whose client is still sending, so that the response reaches the client.

Closing a socket with unread data resets the connection, and after a reset a client may not be able to read
the response. So the server closes its sending side, keeps reading and discards the data, and closes when the
client has closed (RFC 9112, section 9.6).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class LingerLimits:
    """Limits of each lingering connection. The first one that is reached aborts it."""

    discarded_bytes: int = 33_554_432
    """More than the largest request that a client may send by mistake."""

    seconds: float = 30.0
    """From the end of the response to the end of the connection."""

    idle_seconds: float = 5.0
    """Without receiving data."""

    connections: int = 100
    """In one server at the same time. One more aborts the oldest."""


class Linger:
    """One lingering connection. `data` counts the received bytes; they are not kept."""

    def __init__(self, transport: asyncio.Transport, limits: LingerLimits) -> None:
        self._transport = transport
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._discarded = 0
        self._last_at = self._loop.time()
        self._end_at = self._last_at + limits.seconds
        self._timer: asyncio.TimerHandle | None = None
        self._check()

    def data(self, count: int) -> None:
        """Counts `count` received bytes."""
        self._discarded += count
        self._last_at = self._loop.time()
        if self._discarded > self._limits.discarded_bytes:
            self.abort()

    def end_within(self, seconds: float) -> None:
        """Aborts the connection in `seconds` at the latest."""
        self._end_at = min(self._end_at, self._loop.time() + seconds)
        self._check()

    def abort(self) -> None:
        """Aborts the connection now."""
        self.stop()
        self._transport.abort()

    def stop(self) -> None:
        """Cancels the timer: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self.stop()
        until = min(self._end_at, self._last_at + self._limits.idle_seconds)
        if self._loop.time() >= until:
            self.abort()
        else:
            self._timer = self._loop.call_at(until, self._check)


class Lingering:
    """The lingering connections of one server, oldest first."""

    def __init__(self, limits: LingerLimits) -> None:
        self._limits: Final = limits
        self._lingers: dict[Linger, None] = {}

    def __len__(self) -> int:
        """The number of lingering connections."""
        return len(self._lingers)

    def begin(self, transport: asyncio.Transport) -> Linger:
        """Lets `transport` linger. If there are too many, the oldest is aborted."""
        if len(self._lingers) >= self._limits.connections:
            oldest = next(iter(self._lingers))
            del self._lingers[oldest]
            oldest.abort()
        linger = Linger(transport, self._limits)
        self._lingers[linger] = None
        return linger

    def ended(self, linger: Linger) -> None:
        """Removes a connection that is closed."""
        linger.stop()
        self._lingers.pop(linger, None)


class ClosingTransport(asyncio.Transport):
    """A transport whose protocol decides how it closes. Everything else is passed on."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._close = close
        self._closing = False

    @property
    def inner(self) -> asyncio.Transport:
        """The wrapped transport."""
        return self._transport

    def close(self) -> None:
        """Lets the protocol close, once."""
        if not self.is_closing():
            self._closing = True
            self._close()

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called, or the connection is lost."""
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends `data`, unless the transport is closing."""
        if not self._closing:
            self._transport.write(data)

    def abort(self) -> None:
        """Closes at once; unsent data is lost."""
        self._closing = True
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's own
        """See `asyncio.BaseTransport`."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.resume_reading()
