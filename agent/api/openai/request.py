"""The body of `POST /openai/v1/chat/completions`, validated as OpenAI does (`parameters`)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from agent.api.messages import (
    AssistantMessage,
    InstructionMessage,
    UserMessage,
    WireMessage,
    conversation,
    require_few,
)
from agent.api.openai.parameters import NEUTRAL, ChatBody, Refused, ResponseFormat
from agent.api.openai_body import form_of_schema, read_body
from agent.conversations.thread import is_thread_id
from agent.errors.error_response import RequestError
from graph.answer_form import AnswerForm


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat request: about the conversation `thread_id` that the agent stores, or about none.

    OpenAI's clients send the whole conversation with every request. Of a stored one, only what the user wrote
    after the last response of the assistant is new; the agent has the rest, and does not take it from the
    client. The `instructions` are for this run then, and not stored.
    """

    messages: Sequence[AnyMessage]
    stream: bool
    include_usage: bool
    thread_id: str | None = None
    instructions: Sequence[SystemMessage] = ()
    keep: bool = False
    """Whether the run goes on if the client disconnects."""
    form: AnswerForm | None = None
    """The form of the answer."""


def _thread_id(named: str | None, header: str | None) -> str | None:
    """The conversation that `metadata.thread_id` or the header `X-Thread-Id` names. Raises `RequestError`."""
    if named is not None and header is not None and named != header:
        raise RequestError("metadata.thread_id", "must be equal to the header X-Thread-Id")
    thread_id = named if header is None else header
    if thread_id is not None and not is_thread_id(thread_id):
        name = "metadata.thread_id" if header is None else "X-Thread-Id"
        raise RequestError(name, "expected 1 to 64 letters, digits, - and _")
    return thread_id


def _of_thread(wire: Sequence[WireMessage], most_images: int) -> tuple[list[SystemMessage], list[AnyMessage]]:
    """The instructions, and the messages that are new to a stored conversation. Raises `RequestError`."""
    leading = len(list(takewhile(lambda message: isinstance(message, InstructionMessage), wire)))
    instructions = [message for message in conversation(wire[:leading]) if isinstance(message, SystemMessage)]
    responses = [position for position, message in enumerate(wire) if isinstance(message, AssistantMessage)]
    first = leading
    if responses:
        first = max(leading, responses[-1] + 1)
    for position, message in enumerate(wire[first:], first):
        if not isinstance(message, UserMessage):
            name = f"messages[{position}]"
            raise RequestError(name, "in a stored conversation, only messages of the user can be new")
    if first == len(wire):
        raise RequestError("messages", "expected a message of the user after the last response")
    new = conversation(wire[first:], most_images)
    return instructions, [HumanMessage(message.content, id=uuid.uuid4().hex) for message in new]


_SCHEMA: Final = "response_format.json_schema"


def _form(wanted: ResponseFormat | None) -> AnswerForm | None:
    """The form that the answer must have. Raises `RequestError` without any of the schema."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return AnswerForm()
    if wanted.json_schema is None:
        raise RequestError(_SCHEMA, "must be set for this type", code="missing_required_parameter")
    return form_of_schema(wanted.json_schema.schema_, f"{_SCHEMA}.schema")


_WHY: Final = {"n": "this agent returns one choice"}


def read_chat_request(
    body: bytes, *, max_messages: int, thread_header: str | None = None, most_images: int = 0
) -> ChatRequest:
    """Validates a body. Raises `RequestError` with the invalid member and OpenAI's code for the fault.

    `thread_header` is the header `X-Thread-Id`; `most_images` is how many a message may have.
    """
    wire = read_body(body, ChatBody, Refused, neutral=NEUTRAL, why=_WHY)
    include_usage = bool(wire.stream_options and wire.stream_options.include_usage)
    stream = bool(wire.stream)
    form = _form(wire.response_format)
    metadata = wire.metadata or {}
    if (thread_id := _thread_id(metadata.get("thread_id"), thread_header)) is None:
        require_few(wire.messages, max_messages)
        return ChatRequest(conversation(wire.messages, most_images), stream, include_usage, form=form)
    if (on_disconnect := metadata.get("on_disconnect", "cancel")) not in ("cancel", "continue"):
        raise RequestError("metadata.on_disconnect", 'expected "cancel" or "continue"')
    instructions, new = _of_thread(wire.messages, most_images)
    require_few([*instructions, *new], max_messages, "new messages")
    keep = on_disconnect == "continue"
    return ChatRequest(new, stream, include_usage, thread_id, instructions, keep, form)
