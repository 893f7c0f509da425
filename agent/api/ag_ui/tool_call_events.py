"""Tool calls and approvals in AG-UI's form.

A call is sent with what a person needs to know: under whose rights it was made. Approvals are interrupts, for
clients of version 1.0 and for those released before it.
"""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import ToolCall

from agent.api.ag_ui.messages import METADATA_KEY, Event, result_id
from agent.api.event_stream import json_text
from graph.approvals.card import card_text
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import approval_members, approval_of, interrupt_value
from graph.events import (
    DECLARED,
    ConsentRequired,
    Notice,
    ServicesUnavailable,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    shown_arguments,
)

_OUTCOME: Final = ("ok", "called", "duration_ms", "error", "files")
_APPROVED: Final = {
    "approved": {"type": "boolean"},
    "message": {"type": "string", "description": "what the agent should know, for a rejection"},
}
_EDITED: Final = {"editedArgs": {"type": "object", "description": "replaces all arguments of the call"}}
_ELICITED: Final = {"action": {"enum": ["accept", "decline", "cancel"]}}
_LASTING: Final = {"lasting": {"type": "object", "description": "what is offered of this name, or less"}}


def interrupt_of(pending: PendingApproval) -> dict[str, Any]:
    """An interrupt of `RUN_FINISHED.outcome`. Its metadata has the whole approval."""
    request = pending.request
    is_call = request.kind is ApprovalKind.TOOL_CALL
    properties = _APPROVED | _EDITED if is_call else _APPROVED
    properties = properties | _LASTING if pending.lasting is not None else properties
    if request.kind is ApprovalKind.ELICITATION:
        properties = _ELICITED | {"content": dict(pending.parameters or {"type": "null"})}
    approval = approval_of(pending)
    reason = "tool_call" if is_call else f"idaas-agent:{request.kind.value}"
    return {
        "id": request.id,
        "reason": reason,
        "message": card_text(pending),
        "toolCallId": request.call_id,
        "responseSchema": {"type": "object", "properties": properties, "required": [next(iter(properties))]},
        "expiresAt": approval["expires_at"],
        "metadata": {METADATA_KEY: approval},
    }


def custom(event: ConsentRequired | ServicesUnavailable | Notice | ToolProgress) -> Event:
    """The URL that the user has to open, in a run that cannot wait; the services that are unavailable; what
    the user should know; or how far a call is. Clients do not show this event as a message.
    """
    value = {name: value for name, value in event.items() if name != "type"}
    return {"type": "CUSTOM", "name": f"idaas-agent:{event['type']}", "value": value}


def on_interrupt(pending: PendingApproval) -> Event:
    """The event of clients that do not know outcomes: LangChain's question, as JSON text."""
    value = interrupt_value(pending) | {"approval": approval_of(pending)}
    return {"type": "CUSTOM", "name": "on_interrupt", "value": json_text(value)}


def call_started(event: ToolStarted, parent: str | None) -> list[Event]:
    """A call that begins. `parent` is the id of the message that contains it."""
    arguments = json_text(event["arguments"])
    return _call(event["call_id"], event["tool"], arguments, parent, _members(event, DECLARED))


def call_announced(call: ToolCall, parent: str | None, pending: PendingApproval | None) -> list[Event]:
    """A call that the model has requested and that has not begun. `pending` is the approval it waits for."""
    call_id = call["id"] or ""
    about = {}
    arguments = call["args"]
    if pending is not None and pending.request.call_id == call_id:
        members = approval_members(pending.request)
        about = {name: members[name] for name in DECLARED}
        arguments = dict(pending.arguments)
    return _call(call_id, call["name"], json_text(shown_arguments(arguments)), parent, about)


def _call(call_id: str, tool: str, arguments: str, parent: str | None, about: dict[str, Any]) -> list[Event]:
    start: Event = {"type": "TOOL_CALL_START", "toolCallId": call_id, "toolCallName": tool}
    if parent is not None:
        start["parentMessageId"] = parent
    if about:
        start["metadata"] = {METADATA_KEY: about}
    return [
        start,
        {"type": "TOOL_CALL_ARGS", "toolCallId": call_id, "delta": arguments},
        {"type": "TOOL_CALL_END", "toolCallId": call_id},
    ]


def call_finished(event: ToolFinished, arguments: Mapping[str, Any] | None) -> Event:
    """The result of a call. Its metadata repeats that of the start, which an earlier run may have sent.

    `arguments` are those that the call was made with, if the person may have edited what was sent.
    """
    about = _members(event, DECLARED + _OUTCOME)
    if arguments is not None:
        about["arguments"] = arguments
    return {
        "type": "TOOL_CALL_RESULT",
        "messageId": result_id(event["call_id"]),
        "toolCallId": event["call_id"],
        "content": event["result"],
        "role": "tool",
        "metadata": {METADATA_KEY: about},
    }


def _members(event: Any, names: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 - either event
    return {name: event[name] for name in names if name in event}
