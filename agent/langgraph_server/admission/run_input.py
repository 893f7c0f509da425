"""What a client may give to a run on LangGraph Server: an input, or one answer to the approval that waits.

While an approval is open, a run takes an answer and nothing else: a chat message, `goto`, `update`, `null`
and a fork are refused, and the approval stays open. Whether an answer counts is decided by the graph, for the
user who gives it (`graph.nodes.approvals`); a refusal here only says so earlier.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import FunctionMessage, ToolMessage, convert_to_messages

from agent.errors.error_response import RequestError
from graph.approvals.answer import parse_answer
from graph.approvals.record import ApprovalState, ApprovalStatus
from graph.error_codes import GraphCode
from identity.errors import ApprovalError

_INTERRUPT_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RunInput:
    """`input`, or `resume` as LangGraph is to read it."""

    input: object = None
    resume: object = None


def checked_input(given: object, command: object, approvals: Sequence[ApprovalState], now: float) -> RunInput:
    """The input or the answer of a run. `approvals` are the caller's on this thread, none if it has none: the
    open ones, or else the latest.

    Raises `RequestError` (403) for a command that writes, and `ApprovalError` otherwise.
    """
    opened = next((each for each in approvals if each.status_at(now) is ApprovalStatus.OPEN), None)
    if not command:
        if opened is not None:
            raise ApprovalError(GraphCode.APPROVAL_OPEN, "a run was to start while an approval is open")
        return RunInput(input=given)
    if not isinstance(command, Mapping) or "resume" not in command or _writes(command):
        text = "a run takes an input, or an answer (resume); no goto and no update"
        raise RequestError("command", text, code="command_refused", status=403)
    resume = command["resume"]
    if opened is not None:
        return _answer(resume, opened)
    if is_input(resume):  # the server takes an input for an answer, if an approval on the thread has expired
        return RunInput(input=resume)
    for latest in approvals[-1:]:
        latest.require_open(now)
    raise ApprovalError(GraphCode.APPROVAL_INVALID, "no approval is open that could be answered")


def _writes(command: Mapping[str, Any]) -> bool:
    return any(value is not None for name, value in command.items() if name != "resume")


def _answer(resume: object, opened: ApprovalState) -> RunInput:
    """The answer to the open approval, also under its id or the interrupt's: LangGraph takes every object
    with such keys for a map of interrupts, and ignores the ids that it does not know.
    """
    approval, named, answer = opened.request.id, named_interrupt(resume), resume
    if named is not None and isinstance(resume, Mapping):
        answer = resume[named]
    if parse_answer(answer, approval) is None:
        is_message = isinstance(answer, str) or is_input(answer)
        code = GraphCode.APPROVAL_OPEN if is_message else GraphCode.APPROVAL_INVALID
        raise ApprovalError(code, "what was sent is no answer to an approval")
    return RunInput(resume=answer if named in (None, approval) else {named: answer})


def named_interrupt(resume: object) -> str | None:
    """The id in `{id: answer}`; `None` if `resume` has another form."""
    if not isinstance(resume, Mapping) or len(resume) != 1:
        return None
    [key] = resume
    return key if isinstance(key, str) and _INTERRUPT_ID.fullmatch(key) else None


def is_input(value: object) -> bool:
    """Whether a resume value is an input: the message of a person, which is no answer."""
    return isinstance(value, Mapping) and "messages" in value


def without_tool_results(given: object) -> object:
    """`given` without messages of tools. agent-chat-ui makes up a result of each call that has none, before
    it sends a message: the model would read that a rejected or expired call has succeeded.
    """
    if not isinstance(given, Mapping) or "messages" not in given:
        return given
    messages = given["messages"] if isinstance(given["messages"], list) else [given["messages"]]
    return {**given, "messages": [each for each in messages if not _is_tool_result(each)]}


def _is_tool_result(message: Any) -> bool:  # noqa: ANN401 - whatever a client sent
    """As LangChain reads it. What it cannot read fails in the run too."""
    try:
        [read] = convert_to_messages([message])
    except Exception:  # noqa: BLE001 - it raises many kinds for malformed messages
        return False
    return isinstance(read, ToolMessage | FunctionMessage)
