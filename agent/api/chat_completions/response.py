"""The result of a run in OpenAI's form: as one object, or as server-sent events.

In a stream, the agent's tool calls are reported by chunks with an empty `delta` and the extra member
`agent_event`, never as `tool_calls`, which a client would try to run. A failure after the first byte is one
event with `error`, which ends the stream without `[DONE]`. Comments during silence keep proxies from closing
it.
"""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from agent.api.event_stream import SILENCE_SECONDS, EventStream
from agent.error_response import reported_body
from agent.run import Finished, Run, RunEvent, Usage
from identity.errors import AgentError


def completion(end: Finished, *, model: str, created: int) -> dict[str, Any]:
    """OpenAI's `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": end.text, "refusal": None}
    if end.reasoning:
        message["reasoning_content"] = end.reasoning
    return {
        "id": _new_id(),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": end.finish_reason, "logprobs": None}],
        "usage": _usage(end.usage),
    }


class CompletionStream(EventStream):
    """A stream of OpenAI's `chat.completion.chunk`. Cancels the run when the client disconnects."""

    def __init__(
        self, run: Run, *, model: str, created: int, include_usage: bool, silence: float = SILENCE_SECONDS
    ) -> None:
        super().__init__(self._chunks(run), run.cancel, silence=silence)
        self._include_usage = include_usage
        # All chunks begin with the same members, which are encoded once.
        head = {"id": _new_id(), "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = "data: " + json.dumps(head)[:-1] + ', "choices": '

    async def _chunks(self, run: Run) -> AsyncIterator[str]:
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for event in run:
                for text in self._event(event):
                    yield text
        except AgentError as error:
            yield f"data: {json.dumps(reported_body(error), ensure_ascii=False)}\n\n"

    def _event(self, event: RunEvent) -> list[str]:
        if isinstance(event, Finished):
            last = [self._chunk({}, finish_reason=event.finish_reason)]
            if self._include_usage:
                last.append(f'{self._head}[], "usage": {json.dumps(_usage(event.usage))}}}\n\n')
            return [*last, "data: [DONE]\n\n"]
        if event["type"] == "content":
            return [self._chunk({"content": event["text"]})]
        if event["type"] == "reasoning":
            return [self._chunk({"reasoning_content": event["text"]})]
        if event["type"] in ("tool_started", "tool_finished"):
            return [self._chunk({}, f', "agent_event": {json.dumps(event, ensure_ascii=False)}')]
        return []

    def _chunk(self, delta: dict[str, str], more: str = "", finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        usage = ', "usage": null' if self._include_usage else ""
        return f"{self._head}[{json.dumps(choice, ensure_ascii=False)}]{usage}{more}}}\n\n"


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
