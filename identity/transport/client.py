"""The HTTP client of the services. All callers share it, so it keeps no state of any of them."""

import ssl
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any, Final

import httpx

from identity.transport.http1.proxy import environment_proxies
from identity.transport.http1.transport import Http1Transport, PoolUse, ThroughProxy
from identity.transport.secure_url import is_secure_url


def pooled_transport(
    library: ModuleType,
    ssl_context: ssl.SSLContext | None,
    connections: int,
    use: PoolUse | None = None,
    *,
    proxies: bool = True,
) -> dict[str, Any]:
    """Arguments for the `AsyncClient` of `library` (`httpx` or `httpx2`), for `connections` in total.

    `ssl_context` has the trusted authorities; `None` means the public ones. Addresses for which the
    environment names a proxy are reached through it, unless `proxies` is false. `use` shows the use of the
    connections. Raises `ValueError` as `environment_proxies` does.
    """
    use = use or PoolUse()
    use.limit = connections
    context = ssl_context if ssl_context is not None else library.create_ssl_context()
    transport = Http1Transport(library, context, connections=connections, use=use)
    ways = environment_proxies(library) if proxies else {}
    mounts = {pattern: proxy and ThroughProxy(transport, proxy) for pattern, proxy in ways.items()}
    return {"transport": transport, "mounts": mounts}


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
    """An event hook that removes the `Location` header of a redirect.

    The library parses it even if redirects are not followed. Decoding its host as Punycode can raise
    undocumented exceptions, or take seconds.
    """
    if response.is_redirect:
        response.headers.pop("location", None)


def checked_url(url: str) -> str:
    """`url`, unchanged. Raises `ValueError` unless it is https, or http to a loopback address."""
    if not is_secure_url(url) or "#" in url:
        raise ValueError("a service URL must be https, or http to a loopback address")
    return url
