"""Asks the user of a run by pausing it, and keeps and records what they decide."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graph.approvals.gate import ApprovalGate
from graph.approvals.inbox import with_arguments
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval, QuestionKind
from graph.approvals.request import interrupt_value
from graph.approvals.titles import NO_TITLES, Titles
from graph.context import AgentContext, context_of
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import ApprovalError, AuditError, ErrorCode

_CODES: Final[Mapping[QuestionKind, ErrorCode]] = {
    ApprovalKind.CONSENT_REQUIRED: IdentityCode.CONSENT_REQUIRED,
    ApprovalKind.SIGN_IN_REQUIRED: IdentityCode.SIGN_IN_REQUIRED,
}
"""The codes in the audit records of questions that are not about a call."""


@dataclass(frozen=True, slots=True)
class ApprovalPrompts:
    """Shared by the nodes of a graph. The methods raise `AuditError` if a question or decision cannot be
    recorded; then it is not asked, or does not count. `announce` receives each new question about a call.
    `titles` stand on the cards of clients of LangGraph.
    """

    gate: ApprovalGate
    audit: AuditTrail
    clock: Callable[[], float]
    announce: Callable[[PendingApproval], None] | None = None
    titles: Titles = NO_TITLES

    def given(
        self, runtime: Runtime[AgentContext], request: ApprovalRequest, caller: VerifiedAccessToken
    ) -> object:
        """The answer to `request` that `caller` gave with this run; `None` if there is none, or their access
        token has expired.
        """
        if not self.may_decide(caller):
            return None
        return context_of(runtime).answers.get(request.id)

    async def pause(
        self, shown: PendingApproval, caller: VerifiedAccessToken | None, url: str | None = None
    ) -> object:
        """Pauses the run; or LangGraph's resume value, if this run has one.

        The value of a caller whose access token has expired is `None`.

        A new question is kept only if the run pauses: a value that arrives together with it is no answer to
        it. `url` refers to the URL of a consent.
        """
        try:
            answer = interrupt(interrupt_value(self.titles.beside(shown), url))
        except GraphInterrupt:
            if not shown.asked:
                await self.keep(shown, caller)
            raise
        return answer if caller is None or self.may_decide(caller) else None

    async def keep(self, shown: PendingApproval, caller: VerifiedAccessToken | None) -> None:
        """Records and keeps a new question, which its user sees when the run has paused."""
        request = shown.request
        about = request.audited(request.digest)
        step = self.audit.approval(AuditedAction.APPROVAL_REQUESTED, request.principal, caller, **about)
        await step.ended(AuditOutcome.SUCCEEDED, _CODES.get(request.kind))
        if request.approvers is not None:
            request = with_arguments(shown)
        await self.gate.store.open(request)
        if self.announce is not None and request.kind is ApprovalKind.TOOL_CALL:
            self.announce(shown)

    async def decide(self, request: ApprovalRequest, digest: str | None, caller: VerifiedAccessToken) -> bool:
        """Keeps and records the decision of `caller`: arguments of `digest` are approved; `None`: rejected.

        False if it does not count, because it was decided before, or too late. A decision that cannot be
        recorded is withdrawn.
        """
        store = self.gate.store
        principal = request.principal
        approved = digest is not None
        now = self.clock()
        about = request.audited(digest or request.digest)
        step = self.audit.approval(AuditedAction.APPROVAL_DECIDED, principal, caller, **about)
        try:
            await store.decide(request.id, principal, approved=approved, digest=digest, at=now)
        except ApprovalError as error:
            await step.ended(AuditOutcome.FAILED, error.code)
            return False
        try:
            await step.ended(AuditOutcome.of_decision(approved=approved))
        except AuditError:
            await store.withdraw(principal, request.thread_id, now)
            raise
        return True

    def may_decide(self, caller: VerifiedAccessToken) -> bool:
        """Not within the verifier's leeway (`graph.approvals.answer.require_signed_in`)."""
        return caller.expires_at > self.clock()
