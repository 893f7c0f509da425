"""Answers with a good status and a body that is a trial for the client: byte by byte, or without end."""

import asyncio

from starlette.types import Message, Send

_PIECE = 65_536


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


def _without_length(message: Message) -> Message:
    headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
    return {**message, "headers": headers}
