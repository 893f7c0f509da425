"""A pending approval as JSON for its principal, in every API of the agent."""

from typing import Any

from graph.approvals.record import PendingApproval
from graph.approvals.request import approval_members


def approval_of(pending: PendingApproval) -> dict[str, Any]:
    """The members of the request, the arguments, and `url` if the person has to open one.

    The URL is for this person alone: it is in no log record and no stored value.
    """
    members: dict[str, Any] = {**approval_members(pending.request), "arguments": dict(pending.arguments)}
    return members if pending.url is None else members | {"url": pending.url.reveal()}
