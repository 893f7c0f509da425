"""The message of an approver, about the call of another person. It names no task: the task is not theirs.

{"parts": [{"data": {"approval": id}}]}                            shows the call
{"parts": [{"data": {"approval": id, "decision": "approve"}}]}     decides about it as it was asked
"""

import uuid
from typing import Literal

from agent.api.inbox import asked_call
from agent.api.validation_fault import Body
from graph.approvals.card import card_text
from graph.approvals.inbox import Inbox, kept_arguments
from graph.approvals.record import PendingApproval
from graph.approvals.titles import Titles
from graph.error_codes import invalid_approval
from identity.access_token.verified_access_token import VerifiedAccessToken
from plugins.a2a.members import Members, data_part, text_part
from plugins.a2a.parameters import Message
from plugins.a2a.user_message import ApprovalId, data_of

_DECIDED = {"approve": "approved", "reject": "rejected"}


class ApproverRequest(Body):
    """The call to show, or to decide about. An approver changes nothing of it."""

    approval: ApprovalId
    decision: Literal["approve", "reject"] | None = None


async def reply_to_approver(
    inbox: Inbox, message: Message, caller: VerifiedAccessToken, titles: Titles
) -> Members | None:
    """The agent's message; `None` if `message` is none of an approver: data about an approval, for no task.
    `titles` stand beside the names.

    Raises `A2AError`, and what `Inbox.decide` raises, also if there is nothing to show.
    """
    data = [part.data for part in message.parts]
    if message.task_id or len(data) != 1 or not isinstance(data[0], dict) or "approval" not in data[0]:
        return None
    wanted = data_of(ApproverRequest, message)
    if wanted.decision is not None:
        await inbox.decide(wanted.approval, caller, approved=wanted.decision == "approve")
        parts = [text_part(f"The call is {_DECIDED[wanted.decision]}. Its user continues.")]
    else:
        waiting = {state.request.id: state for state in await inbox.waiting(caller)}
        if (state := waiting.get(wanted.approval)) is None:
            raise invalid_approval("no such approval waits for the caller")
        request = state.request
        asked = titles.beside(PendingApproval(request, kept_arguments(request)))
        text = card_text(asked, asker=request.principal.subject)
        parts = [text_part(text), data_part(asked_call(state))]
    return {"messageId": uuid.uuid4().hex, "role": "ROLE_AGENT", "parts": parts}
