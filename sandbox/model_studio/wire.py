"""A completion on the wire: one JSON object, or the chunks of a stream with the documented quirks."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio.completion import Completion, ToolCall, pieces

_PORTION = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """The body of one event, and how many tokens it carries."""

    body: Mapping[str, Any]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """The members that all chunks of an answer share. `created` is in unix seconds."""

    id: str
    model: str
    created: int

    @classmethod
    def new(cls, model: str, now: float) -> "Envelope":
        return cls(f"chatcmpl-{secrets.token_hex(12)}", model, int(now))

    def body(self, kind: str, **members: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON values
        return {
            **members,
            "object": kind,
            "usage": members.get("usage"),
            "created": self.created,
            "system_fingerprint": None,
            "model": self.model,
            "id": self.id,
        }

    def chunk(self, delta: Mapping[str, Any], tokens: int = 0, finish_reason: str | None = None) -> Chunk:
        choice = {"delta": delta, "finish_reason": finish_reason, "index": 0, "logprobs": None}
        return Chunk(self.body("chat.completion.chunk", choices=[choice]), tokens)


def whole(completion: Completion, envelope: Envelope) -> Mapping[str, Any]:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": completion.text}
    if completion.thinking:
        message["reasoning_content"] = completion.thinking
    if completion.calls:
        message["tool_calls"] = [
            {
                "index": i,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for i, call in enumerate(completion.calls)
        ]
    choice = {"message": message, "finish_reason": completion.finish_reason, "index": 0, "logprobs": None}
    return envelope.body("chat.completion", choices=[choice], usage=completion.usage)


def chunks(completion: Completion, envelope: Envelope, *, include_usage: bool) -> Iterator[Chunk]:
    """The chunks in order, without the closing `[DONE]`."""
    if completion.thinking:
        yield envelope.chunk({"role": "assistant", "content": None, "reasoning_content": ""})
        for text, tokens in _portions(completion.thinking):
            yield envelope.chunk({"content": None, "reasoning_content": text}, tokens)
    elif not completion.calls:
        yield envelope.chunk({"role": "assistant", "content": ""})
    if completion.calls:
        for i, call in enumerate(completion.calls):
            yield from _call_chunks(envelope, i, call, announce=i == 0 and not completion.thinking)
        yield envelope.chunk({}, finish_reason="tool_calls")
    else:
        extra = {"reasoning_content": None} if completion.thinking else {}
        for text, tokens in _portions(completion.text):
            yield envelope.chunk({"content": text, **extra}, tokens)
        yield envelope.chunk({"content": "", **extra}, finish_reason=completion.finish_reason)
    if include_usage:
        yield Chunk(envelope.body("chat.completion.chunk", choices=[], usage=completion.usage))


def _call_chunks(envelope: Envelope, index: int, call: ToolCall, *, announce: bool) -> Iterator[Chunk]:
    """Name, id and first piece; later pieces with `"id": ""`; then one whose function is `{}`."""
    rest = _portions(call.arguments)
    first, tokens = next(rest)
    opening: dict[str, Any] = {"content": None, "role": "assistant"} if announce else {}
    function = {"name": call.name, "arguments": first}
    entry = {"index": index, "id": call.id, "type": "function", "function": function}
    yield envelope.chunk({**opening, "tool_calls": [entry]}, tokens)
    for piece, count in rest:
        more = {"index": index, "id": "", "type": "function", "function": {"arguments": piece}}
        # Some in the middle have neither `finish_reason` nor `logprobs`.
        bare = envelope.body("chat.completion.chunk", choices=[{"delta": {"tool_calls": [more]}, "index": 0}])
        yield Chunk(bare, count)
    yield envelope.chunk({"tool_calls": [{"index": index, "id": "", "type": "function", "function": {}}]})


def _portions(text: str) -> Iterator[tuple[str, int]]:
    """The first piece alone, then four at a time, as Model Studio streams; each with its count."""
    found = pieces(text)
    if found:
        yield found[0], 1
    for start in range(1, len(found), _PORTION):
        group = found[start : start + _PORTION]
        yield "".join(group), len(group)
