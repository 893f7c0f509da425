"""A model service whose responses are cut off in the way that the question names."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

TRUNCATED: Final = '{"message": "pay 50'
FORMS: Final[dict[str, tuple[str, str | None]]] = {
    "cut off at the limit": (TRUNCATED, "length"),
    "withheld": (TRUNCATED, "content_filter"),
    "the stream ends": (TRUNCATED, None),
    "an unknown end": (TRUNCATED, "insufficient_system_resource"),
    "whole, but cut off": ('{"message": "pay 50"}', "length"),
    "whole, without an end": ('{"message": "pay 50"}', None),
    "truncated, but complete": (TRUNCATED, "tool_calls"),
    "two documents": ('{"message": "pay 100"} {"message": "pay 900"}', "tool_calls"),
    "duplicate members": ('{"message": "pay 100", "message": "pay 900"}', "tool_calls"),
    "no number": ('{"message": NaN}', "tool_calls"),
}
"""By question: the arguments of a call, and the finish reason of its response."""


class CutOffModel:
    """A chat-completions endpoint. To the result of a call it replies "done".

    A question that is a finish reason, or "none", is answered with words and that end.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append(await Request(scope, receive).json())
            await self._answer(self.asked[-1])(scope, receive, send)

    def _answer(self, asked: dict[str, Any]) -> Response:
        last = asked["messages"][-1]
        call, finish = None, "stop"
        if last["role"] != "tool" and last["content"] in FORMS:
            arguments, finish = FORMS[last["content"]]
            function = {"name": "call_enterprise_service", "arguments": arguments}
            call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        elif last["role"] != "tool":
            finish = None if last["content"] == "none" else last["content"]
        message = {"role": "assistant", "content": None if call else "done"}
        if call:
            message["tool_calls"] = [call]
        if not asked.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return JSONResponse({"id": "c", "model": "m", "choices": [choice]})
        choices: list[dict[str, Any]] = [{"index": 0, "delta": message}]
        if finish is not None:
            choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        events = "".join(f"data: {json.dumps({'id': 'c', 'choices': [each]})}\n\n" for each in choices)
        return Response(f"{events}data: [DONE]\n\n", media_type="text/event-stream")
