"""Answers with a good status and a body that is a trial for the client: half, byte by byte, without end."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Send

_PIECE = 65_536


def malformed(send: Send) -> Send:
    """Half of the first piece of the body, as if that were all: a body, or an event, that is no JSON."""
    ended, end = False, b""

    async def halve(message: Message) -> None:
        nonlocal ended, end
        if message["type"] == "http.response.start":
            is_stream = any(v.startswith(b"text/event-stream") for _, v in message["headers"])
            end = b"\n\n" if is_stream else b""
            await send(_without_length(message))
        elif not ended and (half := _half(message)) is not None:
            ended = True
            await send({"type": "http.response.body", "body": half + end})

    return halve


def cut(send: Send, close: Callable[[], None]) -> Send:
    """Half of the first piece of the body, then the end of the connection. An empty body stays whole."""
    ended = False

    async def halve(message: Message) -> None:
        nonlocal ended
        if ended:
            return
        if body := message.get("body", b""):
            ended = True
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            close()
        else:
            await send(message)

    return halve


def dripping(send: Send, seconds: float) -> Send:
    """Sends the body byte by byte, with `seconds` before each."""

    async def drip(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(_without_length(message))
            return
        for byte in message.get("body", b""):
            await asyncio.sleep(seconds)
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        if not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b""})

    return drip


def flooding(send: Send, size: int) -> Send:
    """Sends `size` blanks after the body: still JSON, if it was JSON before."""

    async def flood(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(_without_length(message))
            return
        if message.get("more_body", False):
            await send(message)
            return
        await send({**message, "more_body": True})
        left = size
        while left > 0:
            piece = min(left, _PIECE)
            await send({"type": "http.response.body", "body": b" " * piece, "more_body": True})
            left -= piece
        await send({"type": "http.response.body", "body": b""})

    return flood


def _half(message: Message) -> bytes | None:
    """Half of this piece; None for an empty one that is not the last."""
    body: bytes = message.get("body", b"")
    return body[: len(body) // 2] if body or not message.get("more_body", False) else None


def _without_length(message: Message) -> Message:
    headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
    return {**message, "headers": headers}
