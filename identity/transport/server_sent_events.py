"""Parses server-sent events from bytes. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Final, NamedTuple

from identity.transport.body import ResponseTooLargeError, decode_utf8

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_LINES_PER_TURN: Final = 64
"""After so many lines, other tasks run: one chunk may contain thousands of lines."""


class Event(NamedTuple):
    """One event. `kind` is `message` unless the service names another one."""

    kind: str
    data: str


async def events(chunks: AsyncIterable[bytes], max_bytes: int) -> AsyncIterator[Event]:
    """The events that have data, decoded as UTF-8. An incomplete event at the end is dropped.

    Raises `ResponseTooLargeError` for an event of more than `max_bytes`. Not bounded: the number of events
    and their total size, which the length of `chunks` bounds.
    """
    splitter = _LineSplitter(max_bytes)
    data: list[bytes] = []
    kind = b""
    size = 0
    lines = 0
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            lines += 1
            if lines % _LINES_PER_TURN == 0:
                await asyncio.sleep(0)
            if not line:
                if data:
                    yield Event(decode_utf8(kind) or "message", decode_utf8(b"\n".join(data)))
                data = []
                kind = b""
                size = 0
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


class _LineSplitter:
    """Splits chunks into lines. The beginning of a line is copied once, however many chunks it spans."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial = bytearray()
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that end in `chunk`, without their terminators."""
        if not chunk:
            return
        start = 1 if self._after_cr and chunk.startswith(b"\n") else 0
        self._after_cr = chunk.endswith(b"\r")
        for end in _LINE_END.finditer(chunk, start):
            self._extend(chunk[start : end.start()])
            start = end.end()
            line = bytes(self._partial)
            self._partial = bytearray()
            if self._first:
                line = line.removeprefix(b"\xef\xbb\xbf")
                self._first = False
            yield line
        self._extend(chunk[start:])

    def _extend(self, part: bytes) -> None:
        self._partial += part
        if len(self._partial) > self._max_bytes:
            raise ResponseTooLargeError(self._max_bytes)
