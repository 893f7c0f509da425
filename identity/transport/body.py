"""Bounds on a response's body: its size, its content coding and its character encoding.

The service does not choose them: text is decoded as UTF-8, whatever `charset` a response names (a codec such
as `punycode` takes minutes for a small body), and a compressed body, whose decoded size is unknown, is
refused. For responses of `httpx` and of `httpx2`, which the model's client uses.
"""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import httpx2


class ResponseTooLargeError(Exception):
    """The response, or an event of it, is larger than `limit`, counted in `unit`."""

    def __init__(self, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"the response is larger than {limit} {unit}")
        self.limit = limit


class EncodedResponseError(Exception):
    """The response is compressed although the request did not accept that; its decoded size is unknown."""

    def __init__(self) -> None:
        super().__init__("the response is compressed, which the request did not accept")


def decode_utf8(body: bytes | bytearray) -> str:
    """`body` as UTF-8; invalid bytes become U+FFFD."""
    return body.decode("utf-8", "replace")


def is_compressed(response: Any) -> bool:  # noqa: ANN401 - of either library
    """Whether the response has a content coding other than `identity` (RFC 9110, section 8.4)."""
    return bool(response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""))


def limit_body(response: Any, limit: int) -> None:  # noqa: ANN401 - of either library
    """Reading the body of `response` raises `ResponseTooLargeError` after `limit` bytes.

    Raises `EncodedResponseError` now if the body is compressed. The body must not have been read yet.
    """
    if is_compressed(response):
        raise EncodedResponseError
    response.stream = _BoundedStream(response.stream, limit, truncate=False)


def truncate_body(response: Any, limit: int) -> None:  # noqa: ANN401 - of either library
    """The body of `response` ends after `limit` bytes, and is empty if it is compressed.

    For an error response, whose status matters and whose text is optional. The body must not have been read.
    """
    if is_compressed(response):
        del response.headers["content-encoding"]
        limit = 0
    response.stream = _BoundedStream(response.stream, limit, truncate=True)


class _BoundedStream(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, stream: Any, limit: int, *, truncate: bool) -> None:  # noqa: ANN401 - of either library
        self._bounded_stream = stream
        self._limit = limit
        self._truncate = truncate

    async def __aiter__(self) -> AsyncIterator[bytes]:
        remaining = self._limit
        if self._truncate and remaining == 0:
            return
        async for chunk in self._bounded_stream:
            if len(chunk) > remaining:
                if not self._truncate:
                    raise ResponseTooLargeError(self._limit)
                yield chunk[:remaining]
                return
            remaining -= len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._bounded_stream.aclose()


_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_MEDIA_TYPE: Final = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})[ \t]*(?:;.*)?", re.DOTALL)


def media_type(content_type: str | None) -> str:
    """`type/subtype` of a `Content-Type` value in lower case, or `""` if it is missing or malformed.

    RFC 9110, section 8.3.1. Two header lines, which the HTTP client joins by a comma, are malformed. Not
    checked: the parameters, which nothing here uses (text is read as UTF-8).
    """
    match = _MEDIA_TYPE.fullmatch(content_type or "")
    return match[1].lower() if match else ""
