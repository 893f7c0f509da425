"""What the agent asks of the user in AG-UI's form: approvals as interrupts, for clients of version 1.0 and
for those released before it.
"""

from typing import Any, Final

from agent.api.ag_ui.wire import METADATA_KEY, Event, json_text
from agent.api.approval_members import approval_of
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import interrupt_value
from graph.events import ConsentRequired

_APPROVED: Final = {
    "approved": {"type": "boolean"},
    "message": {"type": "string", "description": "what the agent should know, for a rejection"},
}
_EDITED: Final = {"editedArgs": {"type": "object", "description": "replaces all arguments of the call"}}


def interrupt_of(pending: PendingApproval) -> dict[str, Any]:
    """An interrupt of `RUN_FINISHED.outcome`. Its metadata has the whole approval."""
    request = pending.request
    is_call = request.kind is ApprovalKind.TOOL_CALL
    properties = _APPROVED | _EDITED if is_call else _APPROVED
    approval = approval_of(pending)
    return {
        "id": request.id,
        "reason": "tool_call" if is_call else f"idaas-agent:{request.kind.value}",
        "message": interrupt_value(pending)["action_requests"][0]["description"],
        "toolCallId": request.call_id,
        "responseSchema": {"type": "object", "properties": properties, "required": ["approved"]},
        "expiresAt": approval["expires_at"],
        "metadata": {METADATA_KEY: approval},
    }


def consent_required(event: ConsentRequired) -> Event:
    """In a run that cannot wait: what the user has to open, in an event of which clients make no message."""
    value = {name: value for name, value in event.items() if name != "type"}
    return {"type": "CUSTOM", "name": f"idaas-agent:{ApprovalKind.CONSENT_REQUIRED}", "value": value}


def on_interrupt(pending: PendingApproval) -> Event:
    """The event of clients that do not know outcomes: LangChain's question, as JSON text."""
    value = interrupt_value(pending) | {"approval": approval_of(pending)}
    return {"type": "CUSTOM", "name": "on_interrupt", "value": json_text(value)}
