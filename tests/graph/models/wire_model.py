"""A model service that speaks the wire protocol, with the responses of a test."""

import asyncio
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse


class WireModel:
    """A chat-completions endpoint. An answer is a list of chunks to stream, a body, or a response.

    A stream ends with a finish reason, unless its last chunk is "cut".
    """

    def __init__(self, *answers: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answers = list(answers)
        self.left = asyncio.Event()
        self.streaming = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        self.requests.append(await request.json())
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer) and not isinstance(answer, Response):
            answer = answer(self.requests[-1], self.keys[-1])
        if isinstance(answer, dict):
            answer = JSONResponse(answer)
        elif isinstance(answer, list):
            answer = StreamingResponse(self.chunks(answer), media_type="text/event-stream")
        try:
            await answer(scope, receive, send)
        finally:
            self.left.set()

    async def chunks(self, chunks):
        for chunk in _ended(chunks):
            if chunk == "hang":
                self.streaming.set()
                await asyncio.Event().wait()
            else:
                yield chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"


def _ended(chunks: list[Any]) -> list[Any]:
    if chunks[-1:] == ["cut"]:
        return chunks[:-1]
    choices = [choice for chunk in chunks if isinstance(chunk, dict) for choice in chunk.get("choices") or ()]
    choices = [choice for choice in choices if isinstance(choice, dict)]
    if any(choice.get("finish_reason") for choice in choices):
        return chunks
    calls = any((choice.get("delta") or {}).get("tool_calls") for choice in choices)
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
    return [*chunks, {"choices": [end]}]
