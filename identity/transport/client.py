"""The HTTP client of the services: shared by all callers, so it must remember nothing of any of them."""

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

from identity.transport.pool import sharded_transport
from identity.transport.secure_url import is_secure_url

_MAX_CONNECTIONS: Final = 200


def http_client(ssl_context: ssl.SSLContext | None, seconds: float) -> httpx.AsyncClient:
    """A client without cookies (one user's would be sent with another's call), redirects or compression.

    `seconds` bounds connecting and each wait for bytes; the whole call needs a deadline of its own.
    """
    return httpx.AsyncClient(
        **sharded_transport(httpx, ssl_context, connections=_MAX_CONNECTIONS),
        timeout=httpx.Timeout(seconds, connect=min(10.0, seconds)),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"response": [remove_location]},
    )


async def remove_location(response: Any) -> None:  # noqa: ANN401 - of `httpx` or `httpx2`
    """An event hook. The library parses where an answer redirects to even if it does not follow it: the host
    is decoded as Punycode, which fails in odd ways, or takes long.
    """
    response.headers.pop("location", None)


def checked_url(url: str) -> str:
    """`url`, if credentials may be sent there: https, or http to a loopback address. Raises `ValueError`."""
    if not is_secure_url(url) or "#" in url:
        raise ValueError("a service URL must be https, or http to a loopback address")
    return url
