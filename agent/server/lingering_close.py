"""Closing a connection whose client is still sending, so that the answer reaches the client.

A socket that is closed while data is unread resets the connection, and a reset takes the answer away from a
client that has not read it yet. So the server closes its sending side, reads on, discards what comes, and
closes when the client has closed (RFC 9112, section 9.6).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class LingerLimits:
    """Bounds of reading on. At the first one that is reached, the connection is cut."""

    discarded_bytes: int = 33_554_432
    """Of one connection: above the largest request that a client may send by mistake."""

    seconds: float = 30.0
    """Of one connection, altogether."""

    idle_seconds: float = 5.0
    """Of one connection, without a byte."""

    connections: int = 100
    """At the same time, in one server. One more cuts the one that lingers longest."""


class Linger:
    """One connection that is read on. `data` counts what came; nothing of it is kept."""

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
        """Notes that `count` bytes came."""
        self._discarded += count
        self._last_at = self._loop.time()
        if self._discarded > self._limits.discarded_bytes:
            self.cut()

    def end_within(self, seconds: float) -> None:
        """Cuts the connection in `seconds` at the latest."""
        self._end_at = min(self._end_at, self._loop.time() + seconds)
        self._check()

    def cut(self) -> None:
        """Ends the connection now."""
        self.stop()
        self._transport.abort()

    def stop(self) -> None:
        """Stops waiting: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self.stop()
        until = min(self._end_at, self._last_at + self._limits.idle_seconds)
        if self._loop.time() >= until:
            self.cut()
        else:
            self._timer = self._loop.call_at(until, self._check)


class Lingering:
    """The connections of one server that are read on, oldest first."""

    def __init__(self, limits: LingerLimits) -> None:
        self._limits: Final = limits
        self._lingers: dict[Linger, None] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._lingers)

    def begin(self, transport: asyncio.Transport) -> Linger:
        """Reads `transport` on. If there are too many, the oldest is cut."""
        if len(self._lingers) >= self._limits.connections:
            oldest = next(iter(self._lingers))
            del self._lingers[oldest]
            oldest.cut()
        linger = Linger(transport, self._limits)
        self._lingers[linger] = None
        return linger

    def ended(self, linger: Linger) -> None:
        """Forgets a connection that is closed."""
        linger.stop()
        self._lingers.pop(linger, None)


class ClosingTransport(asyncio.Transport):
    """A transport whose `close` is decided by its protocol. All else is passed on."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._close = close
        self._closing = False

    @property
    def inner(self) -> asyncio.Transport:
        """What it passes on to."""
        return self._transport

    def close(self) -> None:
        """Asks the protocol to close, once."""
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
        """Closes at once; what is unsent is lost."""
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
