"""Limits of a request's headers and body, as ASGI middleware.

`agent.http.connection_limits` bounds headers that are not complete yet. It cannot replace `header_limit`: it
refuses before it has the `Origin` header, so a page could not read its response (CORS).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response

_LINE: Final = len("  HTTP/1.1\r\n")
_FIELD: Final = len(": \r\n")
_CLOSE: Final = {"Connection": "close"}


def header_limit(app: ASGIApp, *, max_bytes: int) -> ASGIApp:
    """Refuses a larger request line with headers: 431 (RFC 6585, section 5); the connection is closed."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _size(scope) > max_bytes:
            await error_response(headers_too_large(max_bytes), _CLOSE)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return limited


def headers_too_large(max_bytes: int) -> RequestError:
    """The error of a request above the limit."""
    text = f"the request line and headers must have at most {max_bytes} bytes"
    return RequestError(None, text, code="headers_too_large", status=431)


def _size(scope: Scope) -> int:
    path = scope.get("raw_path") or scope["path"].encode()
    line = _LINE + len(scope["method"]) + len(path) + len(scope["query_string"])
    return line + sum(_FIELD + len(name) + len(value) for name, value in scope["headers"])


def body_limit(
    app: ASGIApp,
    *,
    max_bytes: int,
    seconds: float = 30.0,
    discarded: int = 0,
    arrived: Callable[[Scope], Awaitable[None]] | None = None,
) -> ASGIApp:
    """Reads the whole body before the route, and counts its bytes, also without `Content-Length`. 413 or 408.

    The body is passed on as one message, later messages (a disconnect) unchanged. Of a body that is too
    large, up to `discarded` bytes more are read before the response, for a server that would otherwise reset
    the connection, and lose the response. `arrived` is called when the body is complete: its caller may have
    lost their rights since the headers.

    Raises `ClientDisconnect` if the client disconnects before the body is complete, and what `arrived`
    raises.
    """

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(seconds):
                replay = [await _read_body(scope, receive, max_bytes, discarded)]
        except (TimeoutError, RequestError) as error:
            refusal = error if isinstance(error, RequestError) else _late_body()
            await error_response(refusal, _CLOSE)(scope, receive, send)
            return
        if arrived is not None:
            await arrived(scope)

        async def replayed() -> Message:
            return replay.pop() if replay else await receive()

        await app(scope, replayed, send)

    return limited


async def _read_body(scope: Scope, receive: Receive, max_bytes: int, discarded: int) -> Message:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            await _discard(receive, discarded and discarded + max_bytes)
            raise _too_large(max_bytes)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max_bytes:
            if more:
                await _discard(receive, discarded)
            raise _too_large(max_bytes)
        if not more:
            return {"type": "http.request", "body": bytes(body), "more_body": False}


async def _discard(receive: Receive, remaining: int) -> None:
    while remaining > 0:
        message = await receive()
        remaining -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _too_large(max_bytes: int) -> RequestError:
    text = f"the request body must have at most {max_bytes} bytes"
    return RequestError(None, text, code="request_too_large", status=413)


def _late_body() -> RequestError:
    text = "the request body took too long to arrive"
    return RequestError(None, text, code="request_timeout", status=408)
