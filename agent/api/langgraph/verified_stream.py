"""Ends a response that is a stream when the caller's token has expired or was revoked in the meantime.

Streams of threads do not end by themselves, and the caller was verified when they began. While nothing
happens the server sends a comment every five seconds, so a stream ends that soon.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Receive, Send

from identity.errors import AccessTokenError, AgentError

SECONDS: Final = 1.0
"""Between two verifications of one stream. A token that was verified before costs microseconds."""


class VerifiedStream:
    """`receive` and `send` of one request, for the application inside."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        verify: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`verify` raises `AccessTokenError` for a token that is not accepted any more."""
        self._receive = receive
        self._send = send
        self._verify = verify
        self._clock = clock
        self._next = clock() + SECONDS
        self._ended = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Sends `message`, unless the stream has ended; ends it if the token is refused."""
        if message.get("more_body", False) and not self._ended.is_set() and self._clock() >= self._next:
            self._next = self._clock() + SECONDS
            try:
                await self._verify()
            except AccessTokenError:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                self._ended.set()
            except AgentError:
                pass  # it cannot be verified now, and is next time
        if not self._ended.is_set():
            await self._send(message)

    async def receive(self) -> Message:
        """The next message of the client; a disconnect when the stream has ended."""
        message = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((message, ended), return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            message.cancel()
            ended.cancel()
