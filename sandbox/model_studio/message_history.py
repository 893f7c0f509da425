"""The messages of a request: order and shape as Model Studio demands, and the conversation in them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome
from sandbox.model_studio.rejection import RejectedRequestError

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
Message = Mapping[str, Any]


def validated(messages: object) -> tuple[Message, ...]:
    """The messages, each tool call followed by its answer. Raises `RejectedRequestError`."""
    if not isinstance(messages, list) or not messages:
        raise RejectedRequestError("[] is too short - 'messages'", param="messages")
    waiting: list[str] = []
    for i, message in enumerate(messages):
        where = f"messages.[{i}].role"
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            raise RejectedRequestError.of(where, "must be one of " + ", ".join(_ROLES))
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise RejectedRequestError(
                    'messages with role "tool" must be a response to a preceeding message with "tool_calls".',
                    param=where,
                )
            waiting.remove(message["tool_call_id"])
        elif waiting:
            raise _unanswered(where)
        calls = message.get("tool_calls") or ()
        waiting += [_call_id(call, f"messages.[{i}].tool_calls") for call in calls]
    if waiting:
        raise _unanswered("messages")
    return tuple(messages)


def text_of(content: object) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(part for part in parts if isinstance(part, str))


def conversation(messages: Sequence[Message]) -> Conversation:
    """The last question, those before it (newest first), and the outcomes of the calls since the last one."""
    questions = [i for i, message in enumerate(messages) if message["role"] == "user"]
    if not questions:
        return Conversation("")
    calls: dict[str, Call] = {}
    outcomes = []
    for message in messages[questions[-1] + 1 :]:
        for call in message.get("tool_calls") or ():
            calls[call["id"]] = Call(call["function"]["name"], _arguments(call) or {})
        if message["role"] == "tool" and (made := calls.get(message["tool_call_id"])):
            outcomes.append(Outcome(made, text_of(message.get("content"))))
    question, *earlier = (text_of(messages[i].get("content")) for i in reversed(questions))
    return Conversation(question, tuple(earlier), tuple(outcomes))


def _call_id(call: object, where: str) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise RejectedRequestError.of(where, "must be functions")
    if not isinstance(call.get("id"), str) or not isinstance(function.get("name"), str):
        raise RejectedRequestError.of(where, "must have an id and a name")
    if _arguments(call) is None:
        raise RejectedRequestError(
            'The "function.arguments" parameter of the code model must be in JSON format.', param=where
        )
    return str(call["id"])


def _arguments(call: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        arguments = json.loads(call["function"].get("arguments") or "{}")
    except (TypeError, ValueError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _unanswered(param: str) -> RejectedRequestError:
    return RejectedRequestError(
        'An assistant message with "tool_calls" must be followed by tool messages responding to each '
        '"tool_call_id".',
        param=param,
    )
