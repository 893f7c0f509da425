"""The body of `POST /openai/v1/chat/completions`, validated as OpenAI does (`parameters`)."""

from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AnyMessage
from pydantic import ValidationError

from agent.api.messages import conversation, without_references
from agent.api.openai.parameters import NEUTRAL, ChatBody, Refused
from agent.api.openai.thread_request import ThreadRequest, thread_request
from agent.api.validation_fault import openai_fault
from agent.errors.error_response import RequestError
from identity.strict_json import read_value

_WHY: Final = {
    "tools": "this agent has its own tools and runs them itself",
    "functions": "this agent has its own tools and runs them itself",
    "n": "this agent returns one choice",
}


def chat_request_schema() -> dict[str, Any]:
    """The JSON Schema of the body, without references, for the OpenAPI document."""
    return without_references(ChatBody.model_json_schema()) | {"title": "ChatRequest"}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat request."""

    messages: list[AnyMessage]
    stream: bool
    include_usage: bool
    thread: ThreadRequest | None = None
    """The conversation that the request is about; `messages` is then empty."""


def read_chat_request(body: bytes, *, max_messages: int, thread_header: str | None = None) -> ChatRequest:
    """Validates a body. Raises `RequestError` with the invalid member and OpenAI's code for the fault.

    `thread_header` is the header `X-Thread-Id`.
    """
    try:
        wire = ChatBody.model_validate(_members(body))
    except ValidationError as error:
        raise openai_fault(error) from None
    given = wire.model_dump(include=set(Refused.model_fields), exclude_none=True)
    for name, value in given.items():
        if value not in NEUTRAL.get(name, ()):
            why = _WHY.get(name, "this value is not supported")
            raise RequestError(name, why, code="unsupported_value")
    if wire.stream_options is not None and not wire.stream:
        raise RequestError("stream_options", 'only allowed when "stream" is true')
    include_usage = bool(wire.stream_options and wire.stream_options.include_usage)
    if thread := thread_request(wire, thread_header, max_messages=max_messages):
        return ChatRequest([], bool(wire.stream), include_usage, thread)
    if len(wire.messages) > max_messages:
        found = f"expected at most {max_messages} messages, found {len(wire.messages)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return ChatRequest(conversation(wire.messages), bool(wire.stream), include_usage)


def _members(body: bytes) -> dict[str, object]:
    try:
        given = read_value(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise RequestError(None, "the body must be a JSON object")
    if unknown := next((name for name in given if name not in ChatBody.model_fields), None):
        raise RequestError(unknown[:64], "there is no such parameter", code="unknown_parameter")
    return given
