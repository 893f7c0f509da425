"""An agent whose responses a test scripts, in the format of its AG-UI route. It keeps no conversations."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


@dataclass
class ScriptedAgent:
    """Speaks AG-UI. Responses are used once, in the given order; `GET /threads` is 404."""

    origin: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    _answers: deque[tuple[int, list[str], bool]] = field(default_factory=deque)

    def will_answer(self, *chunks: Mapping[str, Any], text: str | None = None, done: bool = True) -> None:
        """A stream of `content`, `reasoning_content` (thinking), `agent_event` (a tool call), `custom` events
        and `error`.
        """
        given = list(chunks) if text is None else [*chunks, {"content": text}]
        self._answers.append((200, [*_stream(given), *[_sent(FINISHED)] * done], False))

    def will_answer_without_end(self, *chunks: Mapping[str, Any]) -> None:
        """A stream that stays open until the client leaves."""
        self._answers.append((200, _stream(chunks), True))

    def will_refuse(self, status: int, code: str, **members: str | int) -> None:
        """A status before the first byte."""
        error = {"code": code, "message": code, **members}
        self._answers.append((status, [json.dumps({"error": error})], False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["method"] == "GET":
            await JSONResponse({"error": {"code": "not_found"}}, 404)(scope, receive, send)
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        request = json.loads(body)
        request["messages"] = [
            {name: value for name, value in each.items() if name != "id"}  # a new one each time
            for each in request["messages"]
        ]
        self.requests.append(request)
        self.authorizations.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        status, texts, hold = self._answers.popleft()
        media_type = b"text/event-stream" if status == 200 else b"application/json"
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", media_type)]}
        )
        for text in texts:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        while hold and (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b""})


FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r", "outcome": {"type": "success"}}


def _stream(chunks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each chunk as the events of AG-UI, at once."""
    return ["".join(map(_sent, _events(chunk, f"m{index}"))) for index, chunk in enumerate(chunks)]


def _events(chunk: Mapping[str, Any], message: str) -> list[dict[str, Any]]:
    match dict(chunk):
        case {"error": error}:
            return [{"type": "RUN_ERROR", "code": error["code"], "message": error.get("message", "")}]
        case {"content": text}:
            return [{"type": "TEXT_MESSAGE_CONTENT", "messageId": "text", "delta": text}]
        case {"reasoning_content": text}:
            return [{"type": "REASONING_MESSAGE_CONTENT", "messageId": "thought", "delta": text}]
        case {"agent_event": {"type": "tool_started"} as event}:
            call = event.get("call_id", message)
            return [
                {
                    "type": "TOOL_CALL_START",
                    "toolCallId": call,
                    "toolCallName": event["tool"],
                    **_about(event),
                },
                {
                    "type": "TOOL_CALL_ARGS",
                    "toolCallId": call,
                    "delta": json.dumps(event.get("arguments", {})),
                },
                {"type": "TOOL_CALL_END", "toolCallId": call},
            ]
        case {"custom": event}:
            return [{"type": "CUSTOM", **event}]
        case {"agent_event": event}:
            call = {"toolCallId": event.get("call_id", message), "messageId": message}
            return [{"type": "TOOL_CALL_RESULT", **call, "content": event.get("result", ""), **_about(event)}]
    return []


def _about(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"idaas-agent": {name: each for name, each in event.items() if name != "type"}}}


def _sent(event: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"
