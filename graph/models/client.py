"""The HTTP client of the model: it attaches the caller's key, and has none of its own."""

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import ceil
from typing import Final

import httpx2

from graph.api_key import api_key
from identity.transport.pool import pooled
from identity.transport.retry import retry_after

_LONGEST_WAIT: Final = 5.0
_LONGEST_TOLD: Final = 86_400
_MOST_CONNECTIONS: Final = 1000


def model_client(ssl_context: ssl.SSLContext | None, timeout: float) -> httpx2.AsyncClient:
    """`timeout` (seconds) bounds connecting and each wait for bytes. Its owner closes it."""
    return httpx2.AsyncClient(
        **pooled(httpx2, ssl_context, connections=_MOST_CONNECTIONS),
        timeout=httpx2.Timeout(timeout, connect=min(10.0, timeout)),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # one caller's are not another's
        follow_redirects=False,
        event_hooks={"request": [_sign], "response": [_not_again_soon]},
    )


async def _sign(request: httpx2.Request) -> None:
    """The client itself never has a key: it would keep the last caller's, for the next one to find."""
    request.headers["Authorization"] = f"Bearer {api_key.get().reveal()}"


async def _not_again_soon(response: httpx2.Response) -> None:
    """The client would sleep for up to two minutes before it asks again, with the caller waiting."""
    wait = retry_after(response.headers)
    # The client reads both headers by itself: an absurd date is an error there; the second has no bound here.
    for name in ("retry-after", "retry-after-ms"):
        response.headers.pop(name, None)
    if wait:
        response.headers["retry-after"] = str(min(ceil(wait), _LONGEST_TOLD))
    if wait > _LONGEST_WAIT:
        response.headers["x-should-retry"] = "false"  # the client's own word for it
