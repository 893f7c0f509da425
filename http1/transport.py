"""A transport for the `AsyncClient` of `httpx` or `httpx2`, which have the same interface.

It takes a fifth of the processor time of the libraries' own
([decision 12](../docs/decisions/0012-http1-connections.md)).
"""

import asyncio
import re
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, TypeAlias

import httpx
import httpx2

from http1.connection import Connection, TunnelRefusedError
from http1.dial import dial, dial_through
from http1.proxy import Proxy
from http1.response_parser import MalformedResponseError

KEEPALIVE_SECONDS: Final = 30.0
"""How long an idle connection is kept. With the libraries' default of 5 seconds, nearly every request to an
agent with little traffic would wait for a new TLS connection: two round trips. A connection that the server
closes earlier is not used any more."""

Origin: TypeAlias = tuple[bool, str, int, Proxy | None]
"""Whether by TLS, host and port, and the proxy on the way."""


class IdleConnections:
    """At most `limit` connections, each for `KEEPALIVE_SECONDS`. The latest of an origin is used first."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._number = 0
        self._by_origin: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """A connection that can be used now, and is not kept any more."""
        connections = self._by_origin[origin]
        loop = asyncio.get_running_loop()
        oldest = self._clock() - KEEPALIVE_SECONDS
        while connections:
            connection = connections.pop()
            self._number -= 1
            if connection.loop is not loop:  # of a client in two event loops
                continue
            if connection.reusable and connection.idle_since > oldest and not connection.has_unread:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection, origin: Origin) -> None:
        """Keeps a connection that is reusable; closes it if there are too many."""
        if self._number >= self._limit:
            connection.abort()
            return
        connection.rest()
        connection.idle_since = self._clock()
        self._by_origin[origin].append(connection)
        self._number += 1
        if self._sweep is None:
            self._sweep = connection.loop.call_later(KEEPALIVE_SECONDS, self._close_expired)

    def close(self) -> None:
        """Closes all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connections in self._by_origin.values():
            for connection in connections:
                connection.abort()
        self._by_origin.clear()
        self._number = 0

    def _close_expired(self) -> None:
        """After many requests at once, their connections are not kept until the next ones."""
        self._sweep = None
        oldest = self._clock() - KEEPALIVE_SECONDS
        for connections in self._by_origin.values():
            while connections and (connections[0].idle_since <= oldest or not connections[0].reusable):
                connections.popleft().abort()
                self._number -= 1
        if self._number:
            self._sweep = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS / 2, self._close_expired)


class PoolUse:
    """How many requests of a client are in flight, and how many connections it may have."""

    __slots__ = ("in_use", "limit")

    def __init__(self) -> None:
        self.in_use = self.limit = 0


_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")

_LATE: Final = "the server did not respond in time"


class Http1Transport(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    """Keeps connections open for further requests, the latest used first.

    Raises the library's own errors. Not supported: HTTP/2, upgrades. A response that is closed
    before its end closes its connection, so that the server stops working on it; so do bytes behind the end
    of a response, which no request asked for.
    """

    def __init__(
        self, library: ModuleType, ssl_context: ssl.SSLContext, *, connections: int, use: PoolUse
    ) -> None:
        """At most `connections` requests are in flight; further ones wait. `use` shows both numbers."""
        use.limit = connections
        ssl_context.set_alpn_protocols(["http/1.1"])
        self._library = library
        self._ssl_context = ssl_context
        self._free = asyncio.Semaphore(connections)
        self._idle = IdleConnections(connections)
        self._use = use

    async def handle_async_request(self, request: Any, proxy: Proxy | None = None) -> Any:  # noqa: ANN401 - of either library
        """Sends the request, through `proxy`. It counts as in flight until its response is closed."""
        head, chunked = self._head(request, proxy)
        body = request.stream
        answer = request.method != "HEAD"
        timeouts = request.extensions.get("timeout", {})
        with self._as_library("Pool"):
            async with asyncio.timeout(timeouts.get("pool")):
                await self._free.acquire()
        self._use.in_use += 1
        connection: Connection | None = None
        try:
            origin = self._origin(request.url, proxy)
            connection = self._idle.take(origin) or await self._connect(origin, timeouts.get("connect"))
            with self._as_library("Write"):
                await connection.send(head, body, timeouts.get("write"), chunked=chunked, answer=answer)
            with self._as_library("Read"):
                status, reason, headers = await connection.head(timeouts.get("read"))
        except BaseException:
            if connection is not None:
                connection.abort()
            self._end()
            raise
        return self._library.Response(
            status,
            headers=headers,
            stream=_Body(self, connection, origin, timeouts.get("read")),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason},
        )

    async def aclose(self) -> None:
        """Closes the idle connections."""
        self._idle.close()

    async def read(self, connection: Connection, seconds: float | None) -> bytes:
        """For the bodies: the next part."""
        with self._as_library("Read"):
            return await connection.chunk(seconds)

    def release(self, connection: Connection, origin: Origin) -> None:
        """For the bodies: the response is closed."""
        if connection.reusable:
            self._idle.keep(connection, origin)
        else:
            connection.abort()
        self._end()

    def _end(self) -> None:
        self._use.in_use -= 1
        self._free.release()

    async def _connect(self, origin: Origin, seconds: float | None) -> Connection:
        secure, host, port, proxy = origin
        with self._as_library("Connect"):
            async with asyncio.timeout(seconds):
                if proxy is not None:
                    return await dial_through(proxy, host, port, self._ssl_context, secure=secure)
                ssl_context = self._ssl_context if secure else None
                return await dial(host, port, ssl_context)

    def _origin(self, url: Any, proxy: Proxy | None) -> Origin:  # noqa: ANN401 - of either library
        if url.scheme not in _PORTS:
            raise self._library.UnsupportedProtocol("the scheme is neither http nor https")
        return url.scheme == "https", url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme], proxy

    def _head(self, request: Any, proxy: Proxy | None) -> tuple[bytes, bool]:  # noqa: ANN401 - of either library
        """The request line and the headers, and whether the body is sent in chunks.

        Raises `LocalProtocolError` for characters that would begin another line.
        """
        target = request.extensions.get("target", request.url.raw_path)
        method = request.method.encode("ascii")
        if not _TARGET.fullmatch(target) or not _NAME.fullmatch(method):
            raise self._library.LocalProtocolError("the request line has an illegal character")
        authorization = b""
        if proxy is not None and request.url.scheme == "http":
            target = b"http://%b%b" % (request.url.netloc, target)
            authorization = proxy.authorization
        chunked = False
        lines = [b"%b %b HTTP/1.1" % (method, target)]
        for name, value in request.headers.raw:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise self._library.LocalProtocolError("a header has an illegal character")
            lines.append(b"%b: %b" % (name, value))
            chunked = chunked or name.lower() == b"transfer-encoding"
        return b"\r\n".join([*lines, authorization, b""]), chunked

    @contextmanager
    def _as_library(self, phase: str) -> Iterator[None]:
        """Raises the library's errors of `phase` in place of those of the connection."""
        try:
            yield
        except TimeoutError as error:
            raise getattr(self._library, f"{phase}Timeout")(_LATE) from error
        except MalformedResponseError as error:
            raise self._library.RemoteProtocolError(str(error)) from error
        except TunnelRefusedError as error:
            raise self._library.ProxyError(str(error)) from error
        except OSError as error:
            raise getattr(self._library, f"{phase}Error")(str(error)) from error


class ThroughProxy(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    """`transport` for the requests that go through `proxy`; it is closed by itself."""

    def __init__(self, transport: Http1Transport, proxy: Proxy) -> None:
        self._transport = transport
        self._proxy = proxy

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 - of either library
        """See `Http1Transport`."""
        return await self._transport.handle_async_request(request, self._proxy)


class _Body(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    """The body of a response, which frees its connection when it is closed."""

    def __init__(
        self, transport: Http1Transport, connection: Connection, origin: Origin, seconds: float | None
    ) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._origin = origin
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None and (
            chunk := await self._transport.read(self._connection, self._seconds)
        ):
            yield chunk

    async def aclose(self) -> None:
        connection = self._connection
        self._connection = None
        if connection is not None:
            self._transport.release(connection, self._origin)
