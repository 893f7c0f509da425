"""How long one connection may keep the server waiting, and how much of a request it may leave unfinished.

The server's HTTP protocol has neither limit: whoever sends a byte now and then, or headers without end, or
reads an answer never, would be held for ever.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from agent.error_responses import RequestError, error_body
from agent.header_limit import headers_too_large


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of one connection. Times are seconds."""

    head_bytes: int = 65_536
    """What of a request may arrive before its headers are complete."""

    head_seconds: float = 30.0
    """From the first moment, or the first byte after an answer, until the headers are complete."""

    body_seconds: float = 60.0
    """From there until the body is complete. More than `BodyLimit` grants, which answers properly."""

    read_seconds: float = 60.0
    """How long an answer may wait for its client to read on."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, with an end to its patience. Make it with `functools.partial(PatientProtocol, patience)`."""

    def __init__(self, patience: Patience, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._patience = patience
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head_complete = False
        self._between = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait(self._patience.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing more."""
        self._wait(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless too much came for a head that is not complete."""
        if self._between and self._waiting is None:
            self._wait(self._patience.head_seconds)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._between and self._head_bytes > self._patience.head_bytes:
            self._refuse(headers_too_large(self._patience.head_bytes))

    def on_message_begin(self) -> None:
        """Begins to wait for the headers; the first bytes of them may have come with another request."""
        self._wait(self._patience.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begins to wait for the body."""
        self._between, self._head_bytes = False, 0
        self._wait(self._patience.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; the next may come whenever it likes, until keep-alive ends."""
        self._between, self._head_bytes = True, 0
        self._wait(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not keep up: begins to wait for it."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._patience.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # it is the server that does not read
            self._wait(self._patience.body_seconds)
        elif self._head_bytes:
            text = "the request took too long to arrive"
            self._refuse(RequestError(None, text, code="request_timeout", status=408))
        else:
            self.transport.abort()

    def _refuse(self, error: RequestError) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an answer is under way, and must not go on with this one
            return
        body = json.dumps(error_body(error)).encode()
        head = b"content-type: application/json\r\nconnection: close\r\n"
        length = b"content-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[error.status] + head + length + body)
        self.transport.close()
