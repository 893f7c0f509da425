"""A response of a published chat model, and its failure, in the form that the agent's provider gives them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    ToolCall,
    message_chunk_to_message,
)

from graph.error_codes import GraphCode
from graph.models.arrived import arrived, with_causes
from graph.models.piece import Piece, thinking_kwargs
from graph.models.response import invalid_call, parsed_calls
from identity.errors import ServiceError
from identity.transport.retry import retry_after

_ENDS: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason", "status")
"""Where LangChain's chat models report how a response ended: those for OpenAI's chat completions and Gemini,
Anthropic, Bedrock, Ollama, and OpenAI's responses.
"""
_FINISH_REASONS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "complete": "stop",
    "eos_token": "stop",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "incomplete": "length",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
}


def in_form_of_the_agent(message: BaseMessage) -> BaseMessage:
    """`message` with a text, calls, thinking, and the finish reason that `ModelProvider` says. One that is
    not known stays as it is, in lower case; without any it is empty.

    A call whose arguments are no strict JSON is invalid. Those of a message that did not arrive in pieces are
    what its package has parsed: how strictly, is not checked. Raises `TypeError` for those that are no JSON.
    """
    if not isinstance(message, AIMessage):
        return message
    text = str(message.text)
    thinking = _thinking(message)
    _note(message, len(text) + len(thinking))
    reported = message.response_metadata
    ends = (reported[name] for name in _ENDS if isinstance(reported.get(name), str))
    end = next(ends, "").lower()
    metadata = {"finish_reason": _FINISH_REASONS.get(end, end)}
    if isinstance(name := reported.get("model_name") or reported.get("model"), str):
        metadata["model_name"] = name
    calls, others = _calls_of(message)
    return AIMessage(
        content=text,
        additional_kwargs=thinking_kwargs(thinking),
        tool_calls=calls,
        invalid_tool_calls=others,
        response_metadata=metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )


def piece_of(message: BaseMessage) -> Piece:
    """The text and thinking of `message`, which may be a chunk."""
    thinking = message.additional_kwargs.get("reasoning_content") or ""
    if not isinstance(message.content, str):
        thinking = _thinking(message)
    return Piece(str(message.text), thinking)


def characters_of(message: BaseMessage) -> int:
    """The characters of its text and thinking, and of a chunk those of its calls' arguments."""
    piece = piece_of(message)
    calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else ()
    return len(piece.text) + len(piece.thinking) + sum(len(call["args"] or "") for call in calls)


def joined(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message of `chunks`. The arguments of its calls are parsed from the text that the model sent."""
    whole = chunks[0] + list(chunks[1:])
    calls, others = parsed_calls(
        (call["name"] or "", call["args"] or "", call["id"]) for call in whole.tool_call_chunks
    )
    message = cast(AIMessage, message_chunk_to_message(whole))
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": others})


def failure_of(error: Exception, model: str) -> ServiceError:
    """The failure of `model`, as its detail names it, by the types of `error` and its causes, its place, and
    the status of the response if one of them has it. Their texts, which may contain the key, are left out.
    """
    arrived().failed_by(error)
    causes = list(with_causes(error))
    named = " from ".join(type(cause).__name__ for cause in causes)
    status = next((status for cause in causes if (status := _status_of(cause)) is not None), None)
    detail = f"{model} raised {named} at {_place_of(error)}"
    if status is not None:
        detail += f", status {status}"
    headers = (getattr(getattr(cause, "response", None), "headers", None) for cause in causes)
    wait = next((retry_after(given) for given in headers if isinstance(given, Mapping)), None)
    return ServiceError(GraphCode.MODEL_CALL_FAILED, detail, status=status, retry_after=wait)


def _note(message: AIMessage, characters: int) -> None:
    """Notes what has arrived with `message`, whose text and thinking have so many `characters`, before the
    arguments of invalid calls are dropped, or the message is refused for them.
    """
    arguments: list[object] = [call["args"] or "" for call in message.tool_calls]
    arguments += [call["args"] or "" for call in message.invalid_tool_calls]
    so_far = arrived()
    so_far.characters = max(so_far.characters, characters + sum(len(str(value)) for value in arguments))
    so_far.usage = message.usage_metadata or so_far.usage


def _calls_of(message: AIMessage) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    calls, others = parsed_calls(
        (call["name"], json.dumps(call["args"]), call["id"]) for call in message.tool_calls
    )
    others += [invalid_call(call["name"] or "", call["id"]) for call in message.invalid_tool_calls]
    return calls, others


def _thinking(message: BaseMessage) -> str:
    blocks: Sequence[Any] = message.content_blocks
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")


def _place_of(error: BaseException) -> str:
    """File and line of the innermost frame, which is often the package's."""
    *_, (frame, line) = [(None, 0), *walk_tb(error.__traceback__)]
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{line}"


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of a response, where the clients of OpenAI, Anthropic, Ollama and Google have it."""
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None
