"""The body of `POST /openai/v1/chat/completions`: what is honoured, what is ignored, what is refused.

Refused is what would change the shape or the meaning of the answer (a client's own tools, several choices, a
response format): a clear 400 is better than an answer to another question. Ignored is what only tunes the
model or the bookkeeping; clients send it by habit.
"""

from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AnyMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.conversation import WireMessage, conversation, first_fault, without_references
from agent.error_responses import RequestError

_IGNORED: Final = frozenset(
    [
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "logit_bias",
        "reasoning_effort",
        "enable_thinking",
        "thinking_budget",
        "verbosity",
        "user",
        "safety_identifier",
        "metadata",
        "store",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "parallel_tool_calls",
    ]
)
_ONLY_VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "stop": ([],),
}
_WHY: Final = {
    "tools": "this agent brings its own tools and runs them itself",
    "functions": "this agent brings its own tools and runs them itself",
    "n": "this agent gives one answer",
}


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    include_usage: bool = False


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: list[WireMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None


def chat_request_schema() -> dict[str, Any]:
    """The body's JSON Schema, for the API document: what is honoured. Nothing in it refers to elsewhere."""
    return without_references(_Body.model_json_schema()) | {"title": "ChatRequest"}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request that this agent can serve. Any `model` will do; the answer names the one there is."""

    messages: list[AnyMessage]
    stream: bool
    include_usage: bool


def read_chat_request(body: bytes, *, max_messages: int) -> ChatRequest:
    """Raises `RequestError` naming the member at fault. A member that is null counts as absent."""
    try:
        wire = _Body.model_validate_json(body)
    except ValidationError as error:
        raise first_fault(error) from None
    for name, value in (wire.model_extra or {}).items():
        if value is None or name in _IGNORED or value in _ONLY_VALUES.get(name, ()):
            continue
        if name in _ONLY_VALUES:
            why = _WHY.get(name, "this value is not supported")
            raise RequestError(name, why, code="unsupported_value")
        raise RequestError(name[:64], "unknown member", code="unknown_parameter")
    if len(wire.messages) > max_messages:
        raise RequestError("messages", f"at most {max_messages} messages, found {len(wire.messages)}")
    include_usage = bool(wire.stream_options and wire.stream_options.include_usage)
    return ChatRequest(conversation(wire.messages), wire.stream, include_usage)
