"""Many small connection pools in the place of a large one.

For each request the HTTP library looks at every connection of its pool, and asks the system of every idle one
whether it is still open: with a hundred connections that costs more than the request itself.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any, Final
from urllib.request import getproxies

CONNECTIONS_PER_POOL: Final = 4
"""Of each pool."""
KEEPALIVE_SECONDS: Final = 30.0
"""How long a connection without requests is kept. The libraries' 5 seconds would have nearly every visitor of
a quiet agent wait for new TLS connections, two round trips each. One that the other side closes earlier is
seen to be closed before it is used."""


def sharded_transport(
    library: ModuleType, ssl_context: ssl.SSLContext | None, connections: int
) -> dict[str, Any]:
    """Arguments for the `AsyncClient` of `library` (`httpx` or `httpx2`), for so many connections altogether.

    `ssl_context` is whom it trusts; `None`: the public authorities. Where the environment names a proxy it is
    one large pool: a client that is given a transport does not look for proxies.
    """
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
            pool, library.AsyncByteStream, max_pools=connections // CONNECTIONS_PER_POOL
        )
    }


class ShardedTransport:
    """A transport for `httpx.AsyncClient`, or for that of `httpx2`, which has the same shape.

    `make_transport` makes the transport of one pool, with room for `CONNECTIONS_PER_POOL`; `stream` is the
    library's `AsyncByteStream`. A request goes to the first pool that has room, so that few connections are
    kept warm; if none has, and there are `max_pools` of them, it waits in the shortest queue.
    """

    def __init__(self, make_transport: Callable[[], Any], stream: type, *, max_pools: int) -> None:
        self._make_transport = make_transport
        self._body_type = type("CountedBody", (_CountedBody, stream), {})
        self._max_pools = max_pools
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 - of either library
        """Sends the request, and counts it until its answer is closed."""
        pool = self._pool()
        pool.in_flight += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.in_flight -= 1
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
            self._pools.append(_Pool(self._make_transport()))
            return self._pools[-1]
        return min(self._pools, key=lambda pool: pool.in_flight)


class _Pool:
    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - of either library
        self.transport = transport
        self.in_flight = 0


class _CountedBody:
    """The body of an answer, which tells its pool when it is closed."""

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
                pool.in_flight -= 1
