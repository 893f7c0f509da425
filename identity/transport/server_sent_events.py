"""Server-sent events, read from bytes. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Final, NamedTuple

from identity.transport.body import ResponseTooLargeError, decode_utf8

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_AT_A_STRETCH: Final = 64
"""Lines, after which other tasks have their turn: thousands may have arrived in one piece."""


class Event(NamedTuple):
    """One event. `kind` is `message` unless the service names another one."""

    kind: str
    data: str


async def events(pieces: AsyncIterable[bytes], max_bytes: int) -> AsyncIterator[Event]:
    """The events that have data, as UTF-8. An event that breaks off is none.

    Raises `ResponseTooLargeError` for an event of more than `max_bytes`. The number of events, and the size
    of them all, are bounded by `pieces`.
    """
    splitter, data, kind, size, lines = _Lines(max_bytes), list[bytes](), b"", 0, 0
    async for piece in pieces:
        for line in splitter.ended_by(piece):
            lines += 1
            if lines % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            if not line:
                if data:
                    yield Event(decode_utf8(kind) or "message", decode_utf8(b"\n".join(data)))
                data, kind, size = [], b"", 0
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
                size += len(value) + 1
                if size > max_bytes:
                    raise ResponseTooLargeError(max_bytes)
            elif name == b"event":
                kind = value


class _Lines:
    """Splits pieces into lines, and copies no beginning of a line twice."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._begun = bytearray()
        self._after_return = False
        self._first = True

    def ended_by(self, piece: bytes) -> Iterator[bytes]:
        """The lines that end in `piece`, without their ends."""
        if not piece:
            return
        start = 1 if self._after_return and piece.startswith(b"\n") else 0
        self._after_return = piece.endswith(b"\r")
        for end in _LINE_END.finditer(piece, start):
            self._begin(piece[start : end.start()])
            start = end.end()
            line, self._begun = bytes(self._begun), bytearray()
            yield line.removeprefix(b"\xef\xbb\xbf") if self._first else line
            self._first = False
        self._begin(piece[start:])

    def _begin(self, part: bytes) -> None:
        self._begun += part
        if len(self._begun) > self._max_bytes:
            raise ResponseTooLargeError(self._max_bytes)
