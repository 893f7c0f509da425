"""The HTTP client of the model: it attaches the caller's key, and has none of its own."""

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, cast
from urllib.request import getproxies

import httpx2

from graph.api_key import api_key
from identity.retry import retry_after
from tools.small_pools import CONNECTIONS, SmallPools

_LONGEST_WAIT: Final = 5.0
_MOST_CONNECTIONS: Final = 1000


def model_client(ssl_context: ssl.SSLContext | None, timeout: float) -> httpx2.AsyncClient:
    """`timeout` (seconds) bounds connecting and each wait for bytes. Its owner closes it."""
    trusted = ssl_context if ssl_context is not None else httpx2.create_ssl_context()

    def pool() -> httpx2.AsyncHTTPTransport:
        return httpx2.AsyncHTTPTransport(verify=trusted, limits=_limits(CONNECTIONS))

    pools = SmallPools(pool, httpx2.AsyncByteStream, most=_MOST_CONNECTIONS // CONNECTIONS)
    return httpx2.AsyncClient(
        # A client that is given a transport does not look for the environment's proxies.
        transport=None if getproxies() else cast(httpx2.AsyncBaseTransport, pools),
        verify=trusted,
        limits=_limits(_MOST_CONNECTIONS),
        timeout=httpx2.Timeout(timeout, connect=min(10.0, timeout)),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one caller's are not another's
        follow_redirects=False,
        event_hooks={"request": [_sign], "response": [_not_again_soon]},
    )


def _limits(connections: int) -> httpx2.Limits:
    return httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)


async def _sign(request: httpx2.Request) -> None:
    """The client itself never has a key: it would keep the last caller's, for the next one to find."""
    request.headers["Authorization"] = f"Bearer {api_key.get().reveal()}"


async def _not_again_soon(response: httpx2.Response) -> None:
    """The client would sleep for up to two minutes before it asks again, with the caller waiting."""
    if retry_after(response.headers) > _LONGEST_WAIT:
        response.headers["x-should-retry"] = "false"  # the client's own word for it
