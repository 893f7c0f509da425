"""The answer of an outside service, read within bounds: how many bytes, how they are packed, what they spell.

None of it is left to the service: text is UTF-8, whatever `charset` an answer names (a codec such as
`punycode` takes minutes for what fits into a small answer), and a compressed answer, whose true size is
unknown, is refused. The same for `httpx` and `httpx2`, which the model's client uses.
"""

from collections.abc import AsyncIterator, Hashable
from functools import cache
from typing import Any, cast


class ResponseTooLargeError(Exception):
    """The answer, or an event of it, is larger than `limit` bytes, or `unit`."""

    def __init__(self, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"the answer is larger than {limit} {unit}")
        self.limit = limit


class EncodedResponseError(Exception):
    """The answer is compressed although that was not asked for; its true size is unknown."""

    def __init__(self) -> None:
        super().__init__("the answer is compressed, which was not asked for")


def decode_utf8(body: bytes) -> str:
    """`body` as UTF-8, with U+FFFD in place of what is none."""
    return body.decode("utf-8", "replace")


def is_compressed(response: Any) -> bool:  # noqa: ANN401 - of either library
    """Whether the answer's body is anything but the content itself."""
    return bool(response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""))


def limit_body(response: Any, limit: int) -> None:  # noqa: ANN401 - of either library
    """From now on the body raises past `limit` bytes, however it is read: `ResponseTooLargeError`.

    Raises `EncodedResponseError` if it is compressed.
    """
    if is_compressed(response):
        raise EncodedResponseError
    response.stream = _bounded_stream_type(response)(response.stream, limit, truncate=False)


def truncate_body(response: Any, limit: int) -> None:  # noqa: ANN401 - of either library
    """From now on the body ends after `limit` bytes, and is empty if it is compressed.

    For an answer whose status says all that must be known.
    """
    if is_compressed(response):
        del response.headers["content-encoding"]
        limit = 0
    response.stream = _bounded_stream_type(response)(response.stream, limit, truncate=True)


def _bounded_stream_type(response: Any) -> type["_BoundedStream"]:  # noqa: ANN401 - of either library
    """Either library takes only a stream of its own kind."""
    return _subclass(cast(Hashable, type(response.stream)))


@cache
def _subclass(kind: Hashable) -> type["_BoundedStream"]:
    base = next(each for each in cast(type, kind).__mro__ if each.__name__ == "AsyncByteStream")
    return type("BoundedStream", (_BoundedStream, base), {})


class _BoundedStream:
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
