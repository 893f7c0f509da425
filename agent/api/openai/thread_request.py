"""A chat request about a conversation that the agent stores: which one, and what is new in it.

OpenAI's clients send the whole conversation with every request. Of it, only what the user wrote after the
last response of the assistant is new; the agent has the rest, and does not take it from the client.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from agent.api.messages import AssistantMessage, InstructionMessage, UserMessage, WireMessage, conversation
from agent.api.openai.parameters import ChatBody
from agent.conversations.thread import is_thread_id
from agent.errors.error_response import RequestError


@dataclass(frozen=True, slots=True)
class ThreadRequest:
    """The thread, the new messages, and the instructions for this run, which are not stored."""

    id: str
    messages: list[AnyMessage]
    instructions: list[SystemMessage]
    keep: bool
    """Whether the run goes on if the client disconnects."""


def thread_request(body: ChatBody, header: str | None, *, max_messages: int) -> ThreadRequest | None:
    """What `metadata.thread_id`, or the header `X-Thread-Id`, asks for; `None` if there is neither.

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
    messages = _new_messages(wire, leading)
    if len(messages) > max_messages:
        found = f"expected at most {max_messages} new messages, found {len(messages)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return ThreadRequest(thread_id, messages, instructions, on_disconnect == "continue")


def _new_messages(wire: Sequence[WireMessage], leading: int) -> list[AnyMessage]:
    answered = [n for n, each in enumerate(wire) if isinstance(each, AssistantMessage)]
    first = max(leading, answered[-1] + 1 if answered else 0)
    for position, message in enumerate(wire[first:], first):
        if not isinstance(message, UserMessage):
            name = f"messages[{position}]"
            raise RequestError(name, "in a stored conversation, only messages of the user can be new")
    if first == len(wire):
        raise RequestError("messages", "expected a message of the user after the last response")
    return [HumanMessage(message.text, id=uuid.uuid4().hex) for message in conversation(wire[first:])]
