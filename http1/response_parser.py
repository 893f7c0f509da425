"""Parses one response of HTTP/1.1 (RFC 9112), by llhttp."""

from typing import Final, NamedTuple, cast

import httptools

MAX_HEAD_BYTES: Final = 65_536
"""Bytes of a status line and its headers, together with the interim responses before it; also of trailers,
and of the extensions of a chunk."""
_SWITCHING_PROTOCOLS: Final = 101


class MalformedResponseError(Exception):
    """The peer does not speak HTTP/1.1, or its response ended early. Contains nothing of the response."""


class ResponseHead(NamedTuple):
    """The status line and the headers, as they were sent."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]


class ResponseParser:
    """Feed it the bytes of a connection from the end of the request on.

    Interim responses (1xx) and trailers are dropped. Refused are: larger heads than `MAX_HEAD_BYTES`,
    contradictory lengths, other transfer codings than `chunked`, and a change of protocol.
    """

    def __init__(self, *, body: bool = True) -> None:
        """Without `body`, the response ends with its headers, as that of HEAD does."""
        self.head: ResponseHead | None = None
        self.complete = False
        self.reusable = False
        """Whether the connection may be used for another request; known when the response is complete."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._has_body = body
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._ends_with_connection = True
        self._pending_bytes = 0
        """Since the last part of the body; before it, since the beginning."""

    @property
    def buffered(self) -> int:
        """Bytes of the body that were not read yet."""
        return self._buffered

    def read(self) -> bytes:
        """All of the body that has arrived and was not read."""
        body = b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        return body

    def feed(self, data: bytes) -> None:
        """Raises `MalformedResponseError`. What follows the response makes the connection not reusable."""
        if self._parser is None:
            self.reusable = False
            return
        self._pending_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("the server changes the protocol")
        except httptools.HttpParserError:
            self._refuse("the response is not valid HTTP/1.1")
        if self.complete:
            self._parser = None  # it refers to this object
        elif self._pending_bytes > MAX_HEAD_BYTES:
            self._refuse("the headers of the response are too large")

    def end(self) -> None:
        """The connection has ended. Raises `MalformedResponseError`, unless the response ends with it."""
        if self.complete:
            return
        self._parser = None
        if self.head is None or not self._ends_with_connection:
            raise MalformedResponseError("the connection ended before the response was complete")
        self.complete = True

    def on_message_begin(self) -> None:
        """For the parser: a response begins."""
        if self.complete:
            self.reusable = False

    def on_status(self, reason: bytes) -> None:
        """For the parser: a part of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """For the parser: a header or a trailer."""
        if self.head is not None:
            self._pending_bytes += len(name) + len(value)  # a chunk before it may have reset the count
            return
        self._headers.append((name, value))
        lower = name.lower()
        if lower == b"content-length":
            self._ends_with_connection = False
        elif lower == b"transfer-encoding":
            if not self._ends_with_connection or value.strip().lower() != b"chunked":
                raise MalformedResponseError
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        """For the parser: the headers are complete."""
        status = cast(httptools.HttpResponseParser, self._parser).get_status_code()
        if status < 200 and status != _SWITCHING_PROTOCOLS:
            self._headers = []
            self._reason = b""
            self._ends_with_connection = True
            return
        if not self.complete:
            self.head = ResponseHead(status, self._reason, self._headers)
            self._pending_bytes = 0
            self.complete = not self._has_body

    def on_body(self, body: bytes) -> None:
        """For the parser: a part of the body."""
        if not self.complete:
            self._pending_bytes = 0
            self._chunks.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        """For the parser: the response is complete, or an interim one is."""
        if self.head is not None and not self.complete:
            parser = cast(httptools.HttpResponseParser, self._parser)
            self.complete = True
            self.reusable = parser.should_keep_alive()

    def _refuse(self, fault: str) -> None:
        self._parser = None
        raise MalformedResponseError(fault) from None
