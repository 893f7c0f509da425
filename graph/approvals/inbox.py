"""Questions to other people than their askers: shown to those who may approve, and decided by one of them
with their own access token.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from graph.approvals.answer import require_signed_in
from graph.approvals.record import (
    ApprovalRequest,
    ApprovalState,
    ApprovalStatus,
    ApprovalStore,
    Approver,
    PendingApproval,
)
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.errors import AuditError


@dataclass(frozen=True, slots=True)
class KeptArguments:
    """The record of the arguments beside a request, without the secrets of the run, for those who see nothing
    else of the conversation: approvers, and the person whom no run asks.
    """

    arguments: Mapping[str, Any]


def kept_arguments(request: ApprovalRequest) -> Mapping[str, Any]:
    """The arguments that are kept with `request`; none if it is a question to the user of a run."""
    record = request.extensions.get(KeptArguments)
    return {} if record is None else record.arguments


def with_arguments(asked: PendingApproval) -> ApprovalRequest:
    """The request of a question to approvers, with the arguments that they see."""
    record = KeptArguments(dict(asked.arguments))
    return replace(asked.request, extensions=asked.request.extensions.having(record))


class InboxStore(ApprovalStore, Protocol):
    """A store of approvals that other people than their askers decide. Each method is atomic."""

    async def asked_of(self, approver: Approver, at: float) -> Sequence[ApprovalState]:
        """The questions of other principals to a group of `approver` that are open at `at`, the oldest first.
        If there are too many, each asker has a fair share: their oldest.
        """

    async def decide_for(
        self, approval_id: str, approver: Approver, *, approved: bool, at: float
    ) -> ApprovalState:
        """`ApprovalState.decided` by an approver, about the call as it was asked, once. Raises
        `ApprovalError`, also if there is no such question to approvers.
        """


@dataclass(frozen=True, slots=True)
class Inbox:
    """The questions to approvers. Groups are those that `group_claim` of the approver's token names."""

    store: InboxStore
    audit: AuditTrail
    clock: Callable[[], float]
    group_claim: str

    async def waiting(self, caller: VerifiedAccessToken) -> Sequence[ApprovalState]:
        """The questions of others that `caller` may decide now, the oldest first."""
        now = self.clock()
        states = await self.store.asked_of(self._approver(caller), now)
        return [state for state in states if state.status_at(now) is ApprovalStatus.OPEN]

    async def decide(self, approval_id: str, caller: VerifiedAccessToken, *, approved: bool) -> None:
        """Keeps and records the decision of `caller` about the call as it was asked.

        Raises `ApprovalError` if it does not count: it is their own, they are not of the group, another
        decided before, or it is too late; `AccessTokenError` if their token has expired; and `AuditError` if
        it cannot be recorded, and then it does not count.
        """
        now = self.clock()
        require_signed_in(caller, now)
        state = await self.store.decide_for(approval_id, self._approver(caller), approved=approved, at=now)
        request = state.request
        about = request.audited(request.digest)
        step = self.audit.approval(AuditedAction.APPROVAL_DECIDED, caller.principal, caller, **about)
        try:
            await step.ended(AuditOutcome.of_decision(approved=approved))
        except AuditError:
            await self.store.withdraw(request.principal, request.thread_id, now, call_id=request.call_id)
            raise

    def _approver(self, caller: VerifiedAccessToken) -> Approver:
        groups = caller.claims.get(self.group_claim, ())
        if isinstance(groups, str):
            groups = (groups,)
        return Approver(caller.principal, frozenset(groups), caller.fingerprint, caller.issued_at)
