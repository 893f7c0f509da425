"""The HTTP client of the services: shared by all callers, so it must remember nothing of any of them."""

import ssl
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from identity.transport.pool import pooled
from identity.transport.secure_url import is_secure_url

_MOST_CONNECTIONS: Final = 200


class AnswerTooLargeError(Exception):
    """The answer is larger than the limit. `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer is larger than {limit} bytes")
        self.limit = limit


class EncodedAnswerError(Exception):
    """The answer is compressed although that was not asked for; its true size is unknown."""

    def __init__(self) -> None:
        super().__init__("the answer is compressed, which was not asked for")


def http_client(ssl_context: ssl.SSLContext | None, seconds: float) -> httpx.AsyncClient:
    """A client without cookies (one user's would be sent with another's call), redirects or compression.

    `seconds` bounds connecting and each wait for bytes; the whole call needs a deadline of its own.
    """
    return httpx.AsyncClient(
        **pooled(httpx, ssl_context, connections=_MOST_CONNECTIONS),
        timeout=httpx.Timeout(seconds, connect=min(10.0, seconds)),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
    )


def checked_url(url: str) -> str:
    """`url`, if credentials may be sent there: https, or http to a loopback address. Raises `ValueError`."""
    if not is_secure_url(url) or "#" in url:
        raise ValueError("a service URL must be https, or http to a loopback address")
    return url


def limited(response: httpx.Response, limit: int) -> httpx.Response:
    """`response`, whose body raises `AnswerTooLargeError` past `limit` bytes, however it is read."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise EncodedAnswerError
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - an async client's
    response.stream = _LimitedStream(response.stream, limit)
    return response


class _LimitedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._limit:
                raise AnswerTooLargeError(self._limit)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
