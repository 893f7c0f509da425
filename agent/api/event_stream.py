"""Server-sent events, and a response of them: it notices that its client has left, and is never silent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.api.disconnect import disconnected

SILENCE_SECONDS: Final = 15.0
"""Proxies close a stream after 30 s of silence or more."""

json_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON, also in a string member, such as the arguments of a call."""


def server_sent(events: Iterable[Mapping[str, Any]]) -> str:
    """`events` as server-sent events. AG-UI's official client ends an event at LF, LF and nothing else."""
    return "".join([f"data: {json_text(event)}\n\n" for event in events])


class EventStream(Response):
    """Sends `texts`, each one whole event or several (`data: …`, LF, LF).

    Sends a comment after each `silence` seconds without an event. Calls `leave` when the client disconnects,
    and when the stream ends; it may be called twice. The request's body must have been read.
    """

    media_type = "text/event-stream"

    def __init__(
        self, texts: AsyncIterator[str], leave: Callable[[], None], *, silence: float = SILENCE_SECONDS
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=self.media_type)
        del self.headers["content-length"]
        self._texts = texts
        self._leave = leave
        self._silence = silence
        self._sent_at = 0.0

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream. Returns silently if the client has disconnected."""
        begin = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        watch = asyncio.ensure_future(disconnected(receive))
        watch.add_done_callback(lambda _: self._leave())
        comments = None
        try:
            await send(begin)
            comments = asyncio.ensure_future(self._comments(send))
            async for text in self._texts:
                self._sent_at = asyncio.get_running_loop().time()
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            comments.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # ASGI 2.4: the client has disconnected
            pass
        finally:
            self._leave()
            watch.cancel()
            if comments is not None:
                comments.cancel()

    async def _comments(self, send: Send) -> None:
        """Sends comments, which readers of server-sent events skip.

        Each `send` is a whole event or comment.
        """
        now = asyncio.get_running_loop().time
        self._sent_at = now()
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(self._sent_at + self._silence - now())
                if now() - self._sent_at >= self._silence:
                    self._sent_at = now()
                    await send({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})
