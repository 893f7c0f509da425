"""The body of `POST /openai/v1/chat/completions`, validated as OpenAI does (`parameters`)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from agent.api.messages import AssistantMessage, InstructionMessage, UserMessage, WireMessage, conversation
from agent.api.openai.parameters import NEUTRAL, ChatBody, Refused
from agent.api.validation_fault import json_object, validated
from agent.conversations.thread import is_thread_id
from agent.errors.error_response import RequestError


@dataclass(frozen=True, slots=True)
class ThreadRequest:
    """A request about a conversation that the agent stores, with what is new in it.

    OpenAI's clients send the whole conversation with every request. Of it, only what the user wrote after the
    last response of the assistant is new; the agent has the rest, and does not take it from the client. The
    instructions are for this run, and not stored.
    """

    id: str
    messages: list[AnyMessage]
    instructions: list[SystemMessage]
    keep: bool
    """Whether the run goes on if the client disconnects."""


def thread_request(
    body: ChatBody, header: str | None, *, max_messages: int, most_images: int = 0
) -> ThreadRequest | None:
    """The request that `metadata.thread_id` or the header `X-Thread-Id` makes; `None` without both.

    Raises `RequestError`.
    """
    metadata = body.metadata or {}
    named = metadata.get("thread_id")
    if named is None and header is None:
        return None
    if named is not None and header is not None and named != header:
        raise RequestError("metadata.thread_id", "must be equal to the header X-Thread-Id")
    thread_id = header or named or ""
    if not is_thread_id(thread_id):
        name = "metadata.thread_id" if header is None else "X-Thread-Id"
        raise RequestError(name, "expected 1 to 64 letters, digits, - and _")
    if (on_disconnect := metadata.get("on_disconnect", "cancel")) not in ("cancel", "continue"):
        raise RequestError("metadata.on_disconnect", 'expected "cancel" or "continue"')
    wire = body.messages
    leading = next((n for n, each in enumerate(wire) if not isinstance(each, InstructionMessage)), len(wire))
    instructions = [each for each in conversation(wire[:leading]) if isinstance(each, SystemMessage)]
    messages = _new_messages(wire, leading, most_images)
    if len(messages) > max_messages:
        found = f"expected at most {max_messages} new messages, found {len(messages)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return ThreadRequest(thread_id, messages, instructions, on_disconnect == "continue")


def _new_messages(wire: Sequence[WireMessage], leading: int, most_images: int) -> list[AnyMessage]:
    answered = [n for n, each in enumerate(wire) if isinstance(each, AssistantMessage)]
    first = max(leading, answered[-1] + 1 if answered else 0)
    for position, message in enumerate(wire[first:], first):
        if not isinstance(message, UserMessage):
            name = f"messages[{position}]"
            raise RequestError(name, "in a stored conversation, only messages of the user can be new")
    if first == len(wire):
        raise RequestError("messages", "expected a message of the user after the last response")
    new = conversation(wire[first:], most_images)
    return [HumanMessage(message.content, id=uuid.uuid4().hex) for message in new]


_WHY: Final = {
    "tools": "this agent has its own tools and runs them itself",
    "functions": "this agent has its own tools and runs them itself",
    "n": "this agent returns one choice",
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat request."""

    messages: list[AnyMessage]
    stream: bool
    include_usage: bool
    thread: ThreadRequest | None = None
    """The conversation that the request is about; `messages` is then empty."""


def read_chat_request(
    body: bytes, *, max_messages: int, thread_header: str | None = None, most_images: int = 0
) -> ChatRequest:
    """Validates a body. Raises `RequestError` with the invalid member and OpenAI's code for the fault.

    `thread_header` is the header `X-Thread-Id`; `most_images` is how many a message may have.
    """
    wire = validated(ChatBody, _members(body))
    given = wire.model_dump(include=set(Refused.model_fields), exclude_none=True)
    for name, value in given.items():
        if value not in NEUTRAL.get(name, ()):
            why = _WHY.get(name, "this value is not supported")
            raise RequestError(name, why, code="unsupported_value")
    if wire.stream_options is not None and not wire.stream:
        raise RequestError("stream_options", 'only allowed when "stream" is true')
    include_usage = bool(wire.stream_options and wire.stream_options.include_usage)
    most = {"max_messages": max_messages, "most_images": most_images}
    if thread := thread_request(wire, thread_header, **most):
        return ChatRequest([], bool(wire.stream), include_usage, thread)
    if len(wire.messages) > max_messages:
        found = f"expected at most {max_messages} messages, found {len(wire.messages)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return ChatRequest(conversation(wire.messages, most_images), bool(wire.stream), include_usage)


def _members(body: bytes) -> dict[str, object]:
    given = json_object(body)
    if unknown := next((name for name in given if name not in ChatBody.model_fields), None):
        raise RequestError(unknown[:64], "there is no such parameter", code="unknown_parameter")
    return given
