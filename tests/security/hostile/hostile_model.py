"""A model service that a test makes hostile: it calls tools by a plan."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Turn = list[dict[str, Any]]


def call(name: Any, arguments: Any = "{}", identifier: Any = None, **more: Any) -> dict[str, Any]:
    """A tool call on the wire; `arguments` other than text is encoded as JSON."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": identifier, "function": {"name": name, "arguments": text}, **more}


@dataclass
class HostileModel:
    """A chat-completions endpoint that makes the calls of `plan`, and replies `text` when there are none."""

    plan: Callable[[list[dict[str, Any]]], Turn]
    text: Callable[[list[dict[str, Any]]], str] = lambda _: "done"
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            self.headers.append(dict(request.headers))
            self.asked.append(await request.json())
            answer = self._streamed if self.asked[-1].get("stream") else self._whole
            messages = self.asked[-1]["messages"]
            await answer(self.plan(messages), self.text(messages))(scope, receive, send)

    def _whole(self, calls: Turn, text: str) -> Response:
        named = [{**c, "type": "function", "id": c["id"] or f"call_{n}"} for n, c in enumerate(calls)]
        message = {"role": "assistant", "content": None if calls else text, "tool_calls": named or None}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        return JSONResponse({"id": "c", "model": "m", "object": "chat.completion", "choices": [choice]})

    def _streamed(self, calls: Turn, text: str) -> Response:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if calls else text}]
        for index, each in enumerate(calls):
            whole = each["function"]["arguments"]
            named = {"index": index, "id": f"call_{index}" if each["id"] is None else each["id"]}
            begun = {**each, **named, "type": "function"}
            begun["function"] = {**each["function"], "arguments": whole[:7]}
            deltas.append({"tool_calls": [begun]})
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": whole[7:]}}]})
        finish = {"finish_reason": "tool_calls" if calls else "stop"}
        choices = [{"index": 0, "delta": delta} for delta in deltas] + [{"index": 0, "delta": {}, **finish}]
        chunks = [
            {"id": "c", "model": "m", "object": "chat.completion.chunk", "choices": [c]} for c in choices
        ]
        events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        return Response(f"{events}data: [DONE]\n\n", media_type="text/event-stream")
