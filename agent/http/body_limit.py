"""Reads the whole body of a request within limits of size and time, before the route."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response


class BodyLimit:
    """A pure ASGI middleware. Counts the received bytes, also without `Content-Length`. 413 or 408.

    Of a body that is too large, up to `discarded` bytes more are read before the response, for a server that
    would otherwise reset the connection, and lose the response. `arrived` is called when the body is
    complete: its caller may have lost their rights since the headers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        seconds: float = 30.0,
        discarded: int = 0,
        arrived: Callable[[Scope], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._arrived = arrived
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._discarded = discarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the body on as one message, and later messages (a disconnect) unchanged.

        Raises `ClientDisconnect` if the client disconnects before the body is complete, and what `arrived`
        raises.
        """
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._read_body(scope, receive)
        except TimeoutError:
            timeout = RequestError(
                None, "the request body took too long to arrive", code="request_timeout", status=408
            )
            await error_response(timeout, {"Connection": "close"})(scope, receive, send)
            return
        except RequestError as error:
            await error_response(error, {"Connection": "close"})(scope, receive, send)
            return
        if self._arrived is not None:
            await self._arrived(scope)
        replay: list[Message] = [message]

        async def replayed() -> Message:
            return replay.pop() if replay else await receive()

        await self._app(scope, replayed, send)

    async def _read_body(self, scope: Scope, receive: Receive) -> Message:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_bytes:
                await self._discard(receive, self._discarded + self._max_bytes)
                raise self._too_large()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                if message.get("more_body", False):
                    await self._discard(receive, self._discarded)
                raise self._too_large()
            if not message.get("more_body", False):
                return {"type": "http.request", "body": bytes(body), "more_body": False}

    async def _discard(self, receive: Receive, remaining: int) -> None:
        while self._discarded and remaining > 0:
            message = await receive()
            remaining -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    def _too_large(self) -> RequestError:
        text = f"the request body must have at most {self._max_bytes} bytes"
        return RequestError(None, text, code="request_too_large", status=413)
