"""A pending approval as JSON for its principal, in every API of the agent."""

from typing import Any

from graph.approvals.record import PendingApproval
from graph.approvals.request import approval_members, display_of


def approval_of(pending: PendingApproval) -> dict[str, Any]:
    """The members of the request, the arguments, as they are and to be shown, and `url` if the person has to
    open one.

    The URL is for this person alone: it is in no log record and no stored value.
    """
    arguments = dict(pending.arguments)
    members = {**approval_members(pending.request), "arguments": arguments, "display": display_of(arguments)}
    return members if pending.url is None else members | {"url": pending.url.reveal()}
