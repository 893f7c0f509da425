"""The grant that covered a past call, as its user reads it."""

from typing import Any

from agent.api.response_models import Wire
from graph.approvals.covering_grant import covering_grant_in
from graph.approvals.record import ApprovalRequest
from identity.printable import rfc3339


class CallGrant(Wire):
    """The grant that covered a call, about which nobody was asked: the id of the approval with which the user
    gave it, and from when to when it was to count (RFC 3339). It may have been withdrawn since.
    """

    id: str
    given_at: str
    ends_at: str


def call_grant(request: ApprovalRequest) -> dict[str, Any] | None:
    """The members of `CallGrant`; `None` if the call itself was asked about."""
    grant = covering_grant_in(request.extensions)
    if grant is None:
        return None
    return {"id": grant.id, "given_at": rfc3339(grant.given_at), "ends_at": rfc3339(grant.ends_at)}
