"""The HTTP client of the services. All callers share it, so it keeps no state of any of them."""

import ssl
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

from identity.transport.pool import pooled_transport
from identity.transport.pool_use import PoolUse
from identity.transport.secure_url import is_secure_url

_MAX_CONNECTIONS: Final = 200


def http_client(
    ssl_context: ssl.SSLContext | None, seconds: float, use: PoolUse | None = None
) -> httpx.AsyncClient:
    """A client without cookies (one user's would be sent with another user's call), redirects or compression.

    `seconds` is the timeout of connecting and of each wait for bytes. It does not bound a whole call, which
    needs a deadline of its own. `use` shows the use of its connections.
    """
    return httpx.AsyncClient(
        **pooled_transport(httpx, ssl_context, connections=_MAX_CONNECTIONS, use=use),
        timeout=httpx.Timeout(seconds, connect=min(10.0, seconds)),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"response": [remove_location]},
    )


ClientFactory = Callable[[], httpx.AsyncClient]
"""Makes a client for a few requests. The caller closes it."""


def direct_client() -> httpx.AsyncClient:
    """A client for plain http without a proxy, to link-local and loopback addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without authorities, whose loading takes a while
    return httpx.AsyncClient(
        **pooled_transport(httpx, context, connections=_MAX_CONNECTIONS, proxies=False),
        timeout=5.0,
        follow_redirects=False,
    )


async def remove_location(response: Any) -> None:  # noqa: ANN401 - of `httpx` or `httpx2`
    """An event hook that removes the `Location` header.

    The library parses it even if redirects are not followed. Decoding its host as Punycode can raise
    undocumented exceptions, or take seconds.
    """
    response.headers.pop("location", None)


def checked_url(url: str) -> str:
    """`url`, unchanged. Raises `ValueError` unless it is https, or http to a loopback address."""
    if not is_secure_url(url) or "#" in url:
        raise ValueError("a service URL must be https, or http to a loopback address")
    return url
