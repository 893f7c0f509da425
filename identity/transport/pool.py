"""Several small connection pools instead of a large one.

For each request the HTTP library checks every connection of its pool, and makes a system call for every idle
one to see whether it is still open: with a hundred connections that costs more than the request itself.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any, Final
from urllib.request import getproxies

CONNECTIONS_PER_POOL: Final = 4
"""The size of each pool."""
KEEPALIVE_SECONDS: Final = 30.0
"""How long an idle connection is kept. With the libraries' default of 5 seconds, nearly every request to an
agent with little traffic would wait for a new TLS connection: two round trips. A connection that the server
closes earlier is detected before it is used."""


class PoolUse:
    """How many requests of a client are in flight, and how many connections it may have.

    Behind a proxy of the environment `in_use` stays 0.
    """

    __slots__ = ("in_use", "limit")

    def __init__(self) -> None:
        self.in_use = self.limit = 0


def sharded_transport(
    library: ModuleType,
    ssl_context: ssl.SSLContext | None,
    connections: int,
    use: PoolUse | None = None,
) -> dict[str, Any]:
    """Arguments for the `AsyncClient` of `library` (`httpx` or `httpx2`), for `connections` in total.

    `ssl_context` has the trusted authorities; `None` means the public ones. If the environment names a proxy,
    there is one large pool: a client with its own transport ignores the proxies of the environment.
    `use` shows the use of the pools.
    """
    use = use or PoolUse()
    use.limit = connections
    context = ssl_context if ssl_context is not None else library.create_ssl_context()

    def limits(number: int) -> Any:  # noqa: ANN401 - of either library
        return library.Limits(
            max_connections=number, max_keepalive_connections=number, keepalive_expiry=KEEPALIVE_SECONDS
        )

    if getproxies():
        return {"verify": context, "limits": limits(connections)}

    def pool() -> Any:  # noqa: ANN401 - of either library
        return library.AsyncHTTPTransport(verify=context, limits=limits(CONNECTIONS_PER_POOL))

    return {
        "transport": ShardedTransport(
            pool, library.AsyncByteStream, max_pools=connections // CONNECTIONS_PER_POOL, use=use
        )
    }


class ShardedTransport:
    """A transport for the `AsyncClient` of `httpx` or `httpx2`, which have the same interface.

    `make_transport` creates the transport of one pool of `CONNECTIONS_PER_POOL`; `stream` is the library's
    `AsyncByteStream`. A request goes to the first pool with a free connection, so that few connections are
    kept open. If none is free, a pool is added; with `max_pools`, the request waits in the shortest queue.
    """

    def __init__(
        self, make_transport: Callable[[], Any], stream: type, *, max_pools: int, use: PoolUse | None = None
    ) -> None:
        self._make_transport = make_transport
        self._body_type = type("CountedBody", (_CountedBody, stream), {})
        self._max_pools = max_pools
        self._use = use or PoolUse()
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 - of either library
        """Sends the request. It counts as in flight until its response is closed."""
        pool = self._pool()
        pool.begin()
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.end()
            raise
        response.stream = self._body_type(response.stream, pool)
        return response

    async def aclose(self) -> None:
        """Closes all connections."""
        for pool in self._pools:
            await pool.transport.aclose()

    async def __aenter__(self) -> "ShardedTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _pool(self) -> "_Pool":
        for pool in self._pools:
            if pool.in_flight < CONNECTIONS_PER_POOL:
                return pool
        if len(self._pools) < self._max_pools:
            self._pools.append(_Pool(self._make_transport(), self._use))
            return self._pools[-1]
        return min(self._pools, key=lambda pool: pool.in_flight)


class _Pool:
    def __init__(self, transport: Any, use: PoolUse) -> None:  # noqa: ANN401 - of either library
        self.transport = transport
        self.in_flight = 0
        self._use = use

    def begin(self) -> None:
        self.in_flight += 1
        self._use.in_use += 1

    def end(self) -> None:
        self.in_flight -= 1
        self._use.in_use -= 1


class _CountedBody:
    """A response's body that decrements the count of its pool when it is closed."""

    def __init__(self, body: Any, pool: _Pool) -> None:  # noqa: ANN401 - of either library
        self._body = body
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        try:
            await self._body.aclose()
        finally:
            if pool is not None:
                pool.end()
