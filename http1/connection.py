"""One connection to a server, for one request at a time."""

import asyncio
import select
import ssl
from collections import deque
from collections.abc import AsyncIterable
from typing import Final, cast
from weakref import WeakKeyDictionary

from http1.response_parser import MalformedResponseError, ResponseHead, ResponseParser
from http1.tls import Tls


class ReaderQueue:
    """Wakes the readers of responses in the order in which they became ready; the first at once.

    In a turn an event loop runs all that is ready, and a new request needs several turns. If a model responds
    to thousands of runs at the same moment and all are woken at once, each turn contains a step of every run.

    A reader that does not wait any more when its turn comes is skipped, and takes no turn.
    """

    def __init__(self) -> None:
        # No reference to the event loop, which is the key by which the queue is found.
        self._ready: deque[asyncio.Future[None]] = deque()
        self._in_turn = False

    def wake(self, reader: asyncio.Future[None]) -> bool:
        """Sets the result of `reader`, a future of the running loop: now, or later and returns false."""
        if self._in_turn:
            self._ready.append(reader)
            return False
        self._next(reader)
        return True

    def _next(self, reader: asyncio.Future[None]) -> None:
        if not reader.done():
            reader.set_result(None)
            self._in_turn = True
            reader.get_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._in_turn = False
        while self._ready and not self._in_turn:
            self._next(self._ready.popleft())


_QUEUES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, ReaderQueue]] = WeakKeyDictionary()


def reader_queue(loop: asyncio.AbstractEventLoop) -> ReaderQueue:
    """The queue of `loop`, which all its connections share."""
    return _QUEUES.setdefault(loop, ReaderQueue())


_HIGH_WATER: Final = 65_536
"""Reading from the network pauses while so many bytes of a body wait for their reader."""


class TunnelRefusedError(Exception):
    """The proxy does not connect to the host. Contains nothing of its response but the status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy refuses the tunnel: status {status}")


class Connection(asyncio.Protocol):
    """Send one request, read `head`, then `chunk` until it returns nothing; then it may be sent another.

    Times are seconds; `None` is no limit. Raises `TimeoutError`, `ConnectionError` if the connection is lost,
    `ssl.SSLError`, and `MalformedResponseError`; it cannot be used after any of them, and is to be aborted.
    Of many connections that receive data at once, one is read in each turn of the event loop. The others read
    no more from the network until it is their turn, and their time limits do not apply.
    """

    def __init__(self, tls: Tls | None = None) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self.idle_since = 0.0
        """For its owner."""
        self._tls = tls
        self._transport: asyncio.Transport
        self._response: ResponseParser | None = None
        self._fault: Exception | None = None
        self._readers = reader_queue(self.loop)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reading = True
        self._writable = True

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent: the last response was read to its end, and nothing failed."""
        if self._fault is not None or self._transport.is_closing():
            return False
        response = self._response
        return response is None or (
            response.complete
            and response.reusable
            and not response.buffered
            and not self._transport.get_write_buffer_size()
        )

    @property
    def has_unread(self) -> bool:
        """Whether data or the end of the connection has arrived that the event loop has not read yet.

        Between two requests it belongs to neither, but would be read as the response to the next.
        """
        arrivals = select.poll()
        arrivals.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrivals.poll(0))

    def rest(self) -> None:
        """Frees the last response. Data that arrives before the next request closes the connection."""
        self._response = None

    async def secured(self) -> None:
        """Waits until the handshake of TLS is complete, if there is one."""
        while self._tls is not None and not self._tls.ready:
            await self._changed(None)

    async def tunnel(self, request: bytes, ssl_context: ssl.SSLContext, host: str) -> None:
        """Sends CONNECT to a proxy; the connection is then one to `host`, by TLS.

        Raises `TunnelRefusedError` besides.
        """
        self._response = ResponseParser(body=False)
        self._write(request)
        status = (await self.head(None)).status
        if not 200 <= status < 300:
            raise TunnelRefusedError(status)
        self._response = None
        self._tls = Tls(ssl_context, host, self._tls)
        self._begin(self._tls)
        await self.secured()

    async def send(
        self, head: bytes, body: AsyncIterable[bytes], seconds: float | None, *, chunked: bool, answer: bool
    ) -> None:
        """Sends a request, `chunked` as a transfer coding. `answer` says whether its response has a body.

        Returns early if the connection is lost; the response may have arrived.
        """
        self._response = ResponseParser(body=answer)
        waiting = head
        async for part in body:
            if part:
                waiting += b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
                self._write(waiting)
                waiting = b""
                await self._drained(seconds)
                if self._fault is not None:
                    return
        if chunked:
            waiting += b"0\r\n\r\n"
        if waiting:
            self._write(waiting)
            await self._drained(seconds)

    async def head(self, seconds: float | None) -> ResponseHead:
        """The head of the response, when it has arrived."""
        response = self._current()
        while response.head is None:
            await self._changed(seconds)
        return response.head

    async def chunk(self, seconds: float | None) -> bytes:
        """All of the body that has arrived meanwhile, at least a byte; nothing after its end."""
        response = self._current()
        while not response.buffered:
            if response.complete:
                return b""
            await self._changed(seconds)
        chunk = response.read()
        self._resume_reading()
        return chunk

    def abort(self) -> None:
        """Closes the connection at once; the server notices. Further calls do nothing."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins the handshake of TLS."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        if self._tls is not None:
            self._begin(self._tls)

    def data_received(self, data: bytes) -> None:
        """Passes data on to the response; data without a request ends the connection."""
        try:
            received = data if self._tls is None else self._decrypted(self._tls, data)
            if received:
                self._feed(self._current(), received)
        except (MalformedResponseError, ssl.SSLError) as error:
            self._fail(error)
            self.abort()
            return
        if self._tls is not None and self._tls.ended:
            self._transport.close()  # a server that ends TLS may wait for the client to close

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the response; if it is not complete, its reader receives the error."""
        try:
            if self._response is not None and self._fault is None:
                self._response.end()
            fault: Exception = exc if isinstance(exc, OSError) else ConnectionResetError("connection closed")
        except MalformedResponseError as error:
            fault = exc if isinstance(exc, OSError) else error
        self._fail(fault)

    def pause_writing(self) -> None:
        """For the event loop: the server reads too slowly."""
        self._writable = False

    def resume_writing(self) -> None:
        """For the event loop: the server reads again."""
        self._writable = True
        self._wake()

    def _begin(self, tls: Tls) -> None:
        tls.handshake()
        self._transport.write(tls.pending())

    def _feed(self, response: ResponseParser, data: bytes) -> None:
        response.feed(data)
        late = not self._wake_in_turn() and not response.complete  # what follows the end is to be noticed
        if self._reading and (late or response.buffered > _HIGH_WATER):
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self._fault is None:
            self._reading = True
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._tls is not None:
            data = self._tls.encrypt(data)
        self._transport.write(data)

    def _current(self) -> ResponseParser:
        """The response to the last request. Between two, there is none."""
        if self._response is None:
            raise MalformedResponseError("there is no request")
        return self._response

    def _decrypted(self, tls: Tls, data: bytes) -> bytes:
        was_ready = tls.ready
        try:
            return tls.receive(data)
        finally:
            if pending := tls.pending():
                self._transport.write(pending)
            if tls.ready and not was_ready:
                self._wake()

    async def _drained(self, seconds: float | None) -> None:
        while not self._writable and self._fault is None:
            await self._changed(seconds)

    async def _changed(self, seconds: float | None) -> None:
        """Waits for the next event of the connection. Raises its fault."""
        if self._fault is not None:
            raise self._fault
        self._waiter = waiter = self.loop.create_future()
        self._timer = None if seconds is None else self.loop.call_later(seconds, _expire, waiter)
        try:
            await waiter
        finally:
            self._stop_waiting()
            self._resume_reading()

    def _fail(self, fault: Exception) -> None:
        if self._fault is None:
            self._fault = fault
        self._wake_in_turn()

    def _wake(self) -> None:
        """Lets a request begin, which does not wait for the readers of responses."""
        waiter = self._stop_waiting()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _wake_in_turn(self) -> bool:
        """Whether the reader continues at once, or none waits; otherwise others come first."""
        waiter = self._stop_waiting()
        return waiter is None or self._readers.wake(waiter)

    def _stop_waiting(self) -> asyncio.Future[None] | None:
        """Bytes that arrive from now on are in time, whenever they are read."""
        waiter = self._waiter
        self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return waiter


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
