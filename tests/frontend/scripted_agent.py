"""An agent whose responses a test scripts, in the wire format of the chat route."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send


@dataclass
class ScriptedAgent:
    """Speaks the chat route's wire format. Responses are used once, in the given order."""

    origin: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    client_left: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event | None = None
    """If set, the end of a body waits for it, after the last event."""
    _answers: deque[tuple[int, list[str], bool]] = field(default_factory=deque)

    def will_answer(self, *chunks: Mapping[str, Any], text: str | None = None, done: bool = True) -> None:
        """A stream of these members of `delta`; `agent_event` and `error` go where the contract puts them."""
        deltas = list(chunks) if text is None else [*chunks, {"content": text}]
        self._answers.append((200, [_event(chunk) for chunk in deltas] + ["data: [DONE]\n\n"] * done, False))

    def will_answer_without_end(self, *chunks: Mapping[str, Any]) -> None:
        """A stream that stays open until the client leaves."""
        self._answers.append((200, [_event(chunk) for chunk in chunks], True))

    def will_refuse(self, status: int, code: str, **members: str | int) -> None:
        """A status before the first byte."""
        error = {"code": code, "message": code, **members}
        self._answers.append((status, [json.dumps({"error": error})], False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        self.requests.append(json.loads(body))
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
        if hold:
            self.client_left.set()
        if self.may_end is not None:
            await self.may_end.wait()
        await send({"type": "http.response.body", "body": b""})


def _event(chunk: Mapping[str, Any]) -> str:
    if "error" in chunk:
        return f"data: {json.dumps(chunk)}\n\n"
    members = dict(chunk)
    extra = {"agent_event": members.pop("agent_event")} if "agent_event" in members else {}
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': members}], **extra})}\n\n"
