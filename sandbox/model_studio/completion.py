"""What the model says to a request, before it is put on the wire: text, thinking, calls, token counts."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sandbox.model_studio.chat_request import ChatRequest
from sandbox.model_studio.message_history import text_of
from sandbox.model_studio.planner.planning import decide
from sandbox.model_studio.token_pieces import count, pieces


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call with its id; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `thinking` is empty unless the request asked for it."""

    text: str
    thinking: str
    calls: tuple[ToolCall, ...]
    finish_reason: Literal["stop", "tool_calls", "length"]
    usage: Mapping[str, Any]


def complete(request: ChatRequest, today: date) -> Completion:
    """Asks the planner, and keeps to the request's limits."""
    decision = decide(request.conversation, request.tools, today, request.rules)
    thinking = decision.thinking if request.thinking else ""
    if request.thinking_budget is not None:
        thinking = "".join(pieces(thinking)[: request.thinking_budget])
    text, cut = decision.text, False
    if request.max_tokens is not None and not decision.calls:
        cut = count(text) > request.max_tokens
        text = "".join(pieces(text)[: request.max_tokens])
    calls = tuple(
        ToolCall(
            f"call_{secrets.token_hex(11)}", call.tool, json.dumps(dict(call.arguments), ensure_ascii=False)
        )
        for call in decision.calls
    )
    return Completion(
        text=text,
        thinking=thinking,
        calls=calls,
        finish_reason="tool_calls" if calls else "length" if cut else "stop",
        usage=_usage(request, text, thinking, calls),
    )


def _usage(request: ChatRequest, text: str, thinking: str, calls: tuple[ToolCall, ...]) -> Mapping[str, Any]:
    prompt = sum(4 + count(text_of(message.get("content"))) for message in request.messages)
    prompt += sum(12 + count(tool.description) + 8 * len(tool.properties) for tool in request.tools)
    reasoning = count(thinking)
    answer = count(text) + sum(8 + count(call.name) + count(call.arguments) for call in calls)
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": answer + reasoning,
        "total_tokens": prompt + answer + reasoning,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if thinking:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage
