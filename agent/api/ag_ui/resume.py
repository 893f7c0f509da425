"""The answers to approvals in a request, in both forms of AG-UI's clients.

    "resume": [{"interruptId": "…", "status": "resolved", "payload": {"approved": true}}]      version 1.0
    "forwardedProps": {"command": {"resume": …, "interruptEvent": …}}                          before it

The first form names the approval. The second does not: it answers the only one that is open, if the client
has seen it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.api.ag_ui.run_input import AssistantInput, RunAgentInput
from agent.errors.error_response import RequestError
from graph.approvals.record import PendingApproval
from graph.error_codes import invalid_approval
from identity.strict_json import read_value

_DISMISSED = {"action": "cancel"}


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of the client. `by_id` are answers by approvals, `unnamed` is an answer that names none."""

    by_id: dict[str, Any]
    unnamed: tuple[object, ...] = ()
    seen_calls: frozenset[str] = frozenset()
    """The ids of the calls that the client shows."""

    def named(self, pending: Sequence[PendingApproval]) -> dict[str, Any]:
        """All answers by approvals, of which `pending` are open.

        An answer without a name could be meant for an earlier question, so the client must show the call of
        the open one. Raises `ApprovalError`.
        """
        if not self.unnamed:
            return self.by_id
        if len(pending) != 1 or pending[0].request.call_id not in self.seen_calls:
            text = f"the answer names no approval, and the client shows the call of none of {len(pending)}"
            raise invalid_approval(text)
        return {pending[0].request.id: self.unnamed[0]}


def answers_in(run_input: RunAgentInput) -> Answers | None:
    """The answers of a request; `None` if it is none. Whether they fit is not checked.

    An interrupt that was dismissed counts as a rejection without words. Raises `RequestError` if one
    interrupt has two answers.
    """
    if run_input.resume:
        by_id: dict[str, Any] = {}
        for number, entry in enumerate(run_input.resume):
            if entry.interrupt_id in by_id:
                name = f"resume[{number}].interruptId"
                raise RequestError(name, "must not be answered twice")
            by_id[entry.interrupt_id] = entry.payload if entry.status == "resolved" else _DISMISSED
        return Answers(by_id)
    command = run_input.forwarded("command")
    if not isinstance(command, dict) or "resume" not in command:
        return None
    answer = _read(command["resume"])
    match _read(command.get("interruptEvent")):
        case {"approval": {"id": str(approval_id)}} if approval_id:
            return Answers({approval_id: answer})
    responses = [message for message in run_input.messages if isinstance(message, AssistantInput)]
    calls = [call for response in responses for call in response.tool_calls or ()]
    return Answers({}, (answer,), frozenset(call.id for call in calls))


def _read(value: object) -> object:
    """A value that clients send as JSON text, too."""
    if not isinstance(value, str):
        return value
    try:
        return read_value(value.encode())
    except ValueError:
        return value
