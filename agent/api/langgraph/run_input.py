"""The input that a run on LangGraph Server takes: messages, or one answer to the approval that waits.

A thread takes messages of its user, and nothing else: LangGraph would replace a stored message by one of the
same id, remove one for the role `remove`, and store messages that it cannot read. A run whose messages are
not kept takes a whole history, by its client's account.

While an approval is open, a run takes an answer and nothing else: a chat message, `goto`, `update`, `null`
and a fork are refused, and the approval stays open. Whether an answer counts is decided by the graph, for the
user who gives it (`graph.nodes.approvals`); a refusal here only says so earlier.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from langchain_core.messages import AnyMessage
from langgraph.types import Command
from pydantic import ValidationError

from agent.api.messages import first_fault, langchain_conversation, openai_form
from agent.errors.error_response import RequestError
from graph.approvals.answer import parse_answer
from graph.approvals.record import ApprovalState, ApprovalStatus
from graph.error_codes import GraphCode
from identity.errors import ApprovalError

_INTERRUPT_ID: Final = re.compile(r"[0-9a-f]{32}")
_MESSAGE_ID: Final = re.compile(r"[!-~]{1,128}")
_STORED: Final = ("type", "content", "tool_calls", "tool_call_id")


class UnknownInterruptError(ApprovalError):
    """The answer names an interrupt that the thread does not have."""


def checked_input(value: object, command: object, approvals: Sequence[ApprovalState], now: float) -> object:
    """The input of a run, or its answer as the `Command` that LangGraph is to read. `approvals` are the
    caller's on this thread, none if it has none: the open ones, or else the latest.

    Not checked: the messages of an input (`user_messages`, `history`).
    Raises `RequestError` (403) for a command that writes, and `ApprovalError` otherwise.
    """
    opened = next((state for state in approvals if state.status_at(now) is ApprovalStatus.OPEN), None)
    if not command:
        if opened is not None:
            raise ApprovalError(GraphCode.APPROVAL_OPEN, "a run was to start while an approval is open")
        return value
    if not isinstance(command, Mapping) or "resume" not in command or _writes(command):
        text = "a run takes an input, or an answer (resume); no goto and no update"
        raise RequestError("command", text, code="command_refused", status=403)
    resume = command["resume"]
    if opened is not None:
        return _answer(resume, opened)
    if is_input(resume):  # the server takes an input for an answer, if an approval on the thread has expired
        return resume
    for latest in approvals[-1:]:
        latest.require_open(now)
    raise UnknownInterruptError(GraphCode.APPROVAL_INVALID, "no approval is open that could be answered")


def _writes(command: Mapping[str, Any]) -> bool:
    return any(value is not None for name, value in command.items() if name != "resume")


def _answer(resume: object, opened: ApprovalState) -> Command[Any]:
    """The answer to the open approval, also under its id or the interrupt's: LangGraph takes every object
    with such keys for a map of interrupts, and ignores the ids that it does not know.
    """
    approval = opened.request.id
    named = named_interrupt(resume)
    answer = resume
    if named is not None and isinstance(resume, Mapping):
        answer = resume[named]
    if parse_answer(answer, approval) is None:
        is_message = isinstance(answer, str) or is_input(answer)
        code = GraphCode.APPROVAL_OPEN if is_message else GraphCode.APPROVAL_INVALID
        raise ApprovalError(code, "what was sent is no answer to an approval")
    if named in (None, approval):
        return Command(resume=answer)
    return Command(resume={named: answer})


def named_interrupt(resume: object) -> str | None:
    """The id in `{id: answer}`; `None` if `resume` has another form."""
    if not isinstance(resume, Mapping) or len(resume) != 1:
        return None
    [key] = resume
    return key if is_interrupt_id(key) else None


def is_interrupt_id(value: object) -> TypeGuard[str]:
    """Whether `value` has the form of LangGraph's ids of interrupts."""
    return isinstance(value, str) and _INTERRUPT_ID.fullmatch(value) is not None


def is_input(value: object) -> bool:
    """Whether a resume value is an input: the message of a person, which is no answer."""
    return isinstance(value, Mapping) and "messages" in value


def user_messages(value: object, *, most: int) -> dict[str, list[dict[str, Any]]]:
    """The input of a run whose messages are kept: text of the user, each with the client's id, if it has one.

    Results of tools are left out. agent-chat-ui makes up one of each call that has none before it sends a
    message: the model would read that a rejected or expired call has succeeded.
    Not checked: that no stored message has one of the ids. Raises `RequestError` for every other message.
    """
    messages: list[dict[str, Any]] = []
    ids: set[str] = set()
    for index, message in enumerate(_listed(value, most)):
        form = _form(message)
        role = form.get("role") if isinstance(form, Mapping) else None
        if role in ("tool", "function"):
            continue
        if role != "user":
            raise _fault(f"input.messages[{index}]", "a thread takes messages of its user only")
        [read] = _conversation([form])
        stored = _stored(read)
        if (identifier := _member(message, "id")) is not None:
            if not isinstance(identifier, str) or not _MESSAGE_ID.fullmatch(identifier) or identifier in ids:
                problem = "must be 1 to 128 printable characters of ASCII, another one for each message"
                raise _fault(f"input.messages[{index}].id", problem)
            ids.add(identifier)
            stored["id"] = identifier
        messages.append(stored)
    return {"messages": messages}


def history(value: object, *, most: int) -> dict[str, list[dict[str, Any]]]:
    """The input of a run whose messages are not kept: instructions, messages, calls with their results.

    Raises `RequestError` for what is no conversation (`agent.api.messages`).
    """
    forms = [_form(message) for message in _listed(value, most)]
    return {"messages": [_stored(message) for message in _conversation(forms)]}


def _listed(value: object, most: int) -> Sequence[object]:
    if not isinstance(value, Mapping) or "messages" not in value:
        raise _fault("input", 'must be an object with "messages"')
    messages = value["messages"] if isinstance(value["messages"], list) else [value["messages"]]
    if len(messages) > most:
        raise _fault("input.messages", f"at most {most} messages, found {len(messages)}")
    return messages


def _form(message: object) -> object:
    """`message` in OpenAI's form, from each in which a published client sends one."""
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if isinstance(message, Mapping) and message.get("type") == "constructor":  # an object of LangChain.js
        path = message.get("id")
        kwargs = message.get("kwargs")
        kind = ""
        if isinstance(path, list) and path:
            kind = str(path[-1]).removesuffix("Message").lower()
        members = kwargs if isinstance(kwargs, Mapping) else {}
        message = {**members, "type": kind}
    return openai_form(message)


def _member(message: object, name: str) -> object:
    if not isinstance(message, Mapping):
        return None
    return _member(message.get("kwargs"), name) if message.get("type") == "constructor" else message.get(name)


def _conversation(forms: Sequence[object]) -> list[AnyMessage]:
    try:
        return langchain_conversation(forms)
    except ValidationError as error:
        fault = first_fault(error, "input.messages")
        raise _fault(fault.param, fault.problem) from None
    except RequestError as error:
        raise _fault(f"input.{error.param}", error.problem) from None


def _stored(message: AnyMessage) -> dict[str, Any]:
    return {name: value for name in _STORED if (value := getattr(message, name, None)) is not None}


def _fault(name: str | None, problem: str) -> RequestError:
    return RequestError(name, problem, status=422)
