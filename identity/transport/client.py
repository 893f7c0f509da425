"""The HTTP client of the services. All callers share it, so it keeps no state of any of them."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any, cast

import httpx

from http1.proxy import environment_proxies
from http1.transport import Http1Transport, PoolUse, ThroughProxy
from identity.transport.secure_url import is_secure_url


def pooled_client(
    library: ModuleType,
    ssl_context: ssl.SSLContext | None,
    seconds: float,
    *,
    connections: int = 200,
    use: PoolUse | None = None,
    proxies: bool = True,
    hooks: Sequence[Callable[[Any], Awaitable[None]]] = (),
) -> Any:  # noqa: ANN401 - of either library
    """An `AsyncClient` of `library` (`httpx` or `httpx2`), with `connections` in total.

    It has no cookies (one user's would be sent with another user's call), redirects or compression.
    `ssl_context` has the trusted authorities; `None` means the public ones. `seconds` is the timeout of
    connecting and of each wait for bytes. It does not bound a whole call, which needs a deadline of its own.
    Addresses for which the environment names a proxy are reached through it, unless `proxies` is false.
    `use` shows the use of the connections. `hooks` receive each response before its body is read.
    Raises `ValueError` as `environment_proxies` does.
    """
    context = ssl_context if ssl_context is not None else library.create_ssl_context()
    transport = Http1Transport(library, context, connections=connections, use=use or PoolUse())
    ways = environment_proxies(library) if proxies else {}
    return library.AsyncClient(
        transport=transport,
        mounts={pattern: proxy and ThroughProxy(transport, proxy) for pattern, proxy in ways.items()},
        timeout=library.Timeout(seconds, connect=min(10.0, seconds)),
        cookies=no_cookies(),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"response": [remove_location, *hooks]},
    )


def http_client(
    ssl_context: ssl.SSLContext | None, seconds: float, use: PoolUse | None = None
) -> httpx.AsyncClient:
    """See `pooled_client`."""
    return cast(httpx.AsyncClient, pooled_client(httpx, ssl_context, seconds, use=use))


def no_cookies() -> CookieJar:
    """A jar that keeps no cookie of a response, and sends none."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


ClientFactory = Callable[[], httpx.AsyncClient]
"""Makes a client for a few requests. The caller closes it."""


def direct_client() -> httpx.AsyncClient:
    """A client for plain http without a proxy, to link-local and loopback addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without authorities, whose loading takes a while
    return cast(httpx.AsyncClient, pooled_client(httpx, context, 5.0, proxies=False))


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
