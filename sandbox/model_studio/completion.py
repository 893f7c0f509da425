"""The model's answer to a request, before it is on the wire: text, thinking, calls, token counts."""

import functools
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sandbox.model_studio.answers import decide
from sandbox.model_studio.chat_request import ChatRequest, text_of

_PIECE = re.compile(r"\s?[A-Za-z'’]{1,8}|\s?\d{1,3}|[\u3400-\u9fff]{1,2}|\s+|.", re.DOTALL)


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
    """The script's decision, within the request's limits."""
    text, decided, thinking = decide(request.conversation, request.tools, today, request.rules)
    thinking = thinking if request.thinking else ""
    if request.thinking_budget is not None:
        thinking = "".join(pieces(thinking)[: request.thinking_budget])
    cut = False
    if request.max_tokens is not None and not decided:
        cut = count(text) > request.max_tokens
        text = "".join(pieces(text)[: request.max_tokens])
    calls = tuple(
        ToolCall(
            f"call_{secrets.token_hex(11)}", call.tool, json.dumps(dict(call.arguments), ensure_ascii=False)
        )
        for call in decided
    )
    return Completion(
        text=text,
        thinking=thinking,
        calls=calls,
        finish_reason="tool_calls" if calls else "length" if cut else "stop",
        usage=_usage(request, text, thinking, calls),
    )


def pieces(text: str) -> list[str]:
    """The text in pieces about as large as a tokenizer's."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many pieces a text has."""
    return len(_PIECE.findall(text))


_count_repeated = functools.lru_cache(maxsize=64)(count)
"""`count` of a description, which all requests repeat."""


def _usage(request: ChatRequest, text: str, thinking: str, calls: tuple[ToolCall, ...]) -> Mapping[str, Any]:
    prompt = sum(4 + count(text_of(message.get("content"))) for message in request.messages)
    prompt += sum(12 + _count_repeated(tool.description) + 8 * len(tool.properties) for tool in request.tools)
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
