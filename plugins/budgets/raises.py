"""Asks approvers whether a limit that is reached is raised for the rest of the day; keeps their answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.composition.service_parts import ServiceParts
from agent.conversations.storage import ConversationStorage
from graph.approvals.announced_question import AnnouncedQuestion
from graph.approvals.answer import require_signed_in
from graph.approvals.inbox import kept_arguments
from graph.approvals.record import (
    PERSON,
    ApprovalRequest,
    ApprovalState,
    ApprovalStatus,
    Approver,
    PendingApproval,
)
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail, Step
from identity.errors import AgentError
from identity.principal import Principal
from identity.printable import printable_line
from plugins.budgets.limit_raise import raise_request, words_of
from plugins.budgets.limits import Budget, Limit
from plugins.budgets.raise_store import RaiseStore
from plugins.budgets.usage import day_of
from plugins.budgets.variables import BudgetVariables
from tools.approval_policy import CLAIM


@dataclass(slots=True)
class BudgetRaises:
    """The raises of all limits, recorded when they are asked, decided and withdrawn.

    Guaranteed: a limit is raised once in a day at most, by `percent` of it as it was when that was asked, for
    the rest of this day, by one of `approvers` who is not the one who asked.
    """

    store: RaiseStore
    audit: AuditTrail
    clock: Callable[[], float]
    approvers: str
    percent: int
    group_claim: str
    announce: Callable[[AnnouncedQuestion], None] | None = None
    """Hears of each new question; an agent that serves its approvers sets it."""

    async def ask(
        self, caller: VerifiedAccessToken, budget: Budget, limit: Limit, now: datetime
    ) -> str | None:
        """The id of the open question whether `limit`, which `caller` has reached `now`, is raised today: a
        new one, which is recorded and announced, if there was none. `None` if nobody is asked: it was
        decided, or the token of `caller` does not say whom to ask.

        Raises `AuditError` if it cannot be recorded, and is not asked then, and `UnavailableError`.
        """
        approvers = self._approvers_for(caller)
        if approvers is None:
            return None
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        request = raise_request(
            caller.principal,
            budget,
            limit,
            day=now.date().isoformat(),
            percent=self.percent,
            approvers=approvers,
            until=midnight.timestamp(),
            at=now.timestamp(),
        )
        state = await self.store.get(request.id)
        if state is None:
            asking = self._step(AuditedAction.APPROVAL_REQUESTED, caller.principal, caller, request)
            await asking.ended(AuditOutcome.SUCCEEDED)
            state = ApprovalState(request)
            if await self.store.add(state) and self.announce is not None:
                self.announce(self._announced(request))
        return request.id if state.status_at(now.timestamp()) is ApprovalStatus.OPEN else None

    async def waiting(self, caller: VerifiedAccessToken) -> list[ApprovalState]:
        """The questions that `caller` can decide now, the oldest first."""
        now = self.clock()
        approver = self._approver(caller)
        states = await self.store.asked_of(approver, day_of(self.clock).date().isoformat())
        return [
            state
            for state in states
            if _may_decide(approver, state) and state.status_at(now) is ApprovalStatus.OPEN
        ]

    async def decide(self, question_id: str, caller: VerifiedAccessToken, *, approved: bool) -> bool:
        """Records and keeps the decision of `caller`, once; from then on an approved raise counts. False if
        there is no question of this id to them.

        It is recorded before it counts, and its end after. Raises `ApprovalError` if it does not count,
        `AccessTokenError` if the token has expired, and `AuditError`.
        """
        approver = self._approver(caller)
        state = await self.store.get(question_id)
        if state is None or not _may_decide(approver, state):
            return False
        now = self.clock()
        require_signed_in(caller, now)
        step = self._step(AuditedAction.APPROVAL_DECIDED, caller.principal, caller, state.request)
        await step.started()
        try:
            await self.store.decide(question_id, approver, approved=approved, at=now)
        except AgentError as error:
            await step.ended(AuditOutcome.FAILED, error.code)
            raise
        await step.ended(AuditOutcome.of_decision(approved=approved))
        return True

    async def withdraw(self, request: ApprovalRequest) -> None:
        """Ends one that is open, or counts, for an operator. Raises `ApprovalError` for every other."""
        await self.store.withdraw(request.id)
        step = self._step(AuditedAction.APPROVAL_DECIDED, request.principal, None, request)
        await step.ended(AuditOutcome.CANCELLED)

    def _approvers_for(self, caller: VerifiedAccessToken) -> str | None:
        """Whom a question of `caller` asks: the group, or the person whom a claim of theirs names."""
        claim = self.approvers.removeprefix(CLAIM)
        if claim == self.approvers:
            return self.approvers
        person = caller.claims.get(claim)
        if not isinstance(person, str) or person in ("", caller.principal.subject):
            return None
        return f"{PERSON}{person}"

    def _approver(self, caller: VerifiedAccessToken) -> Approver:
        groups = caller.claims.get(self.group_claim, ())
        if isinstance(groups, str):
            groups = (groups,)
        return Approver(caller.principal, frozenset(groups), caller.fingerprint, caller.issued_at)

    def _announced(self, request: ApprovalRequest) -> AnnouncedQuestion:
        async def is_open() -> bool:
            state = await self.store.get(request.id)
            return state is not None and state.status_at(self.clock()) is ApprovalStatus.OPEN

        shown = kept_arguments(request)
        asker = printable_line(request.principal.subject)
        budget = printable_line(shown["budget"])
        text = (
            f"{asker} has used up {shown['limit']} of today ({budget}). May it be {shown['raise_by']} more?"
        )
        return AnnouncedQuestion(PendingApproval(request, shown), text, is_open)

    def _step(
        self,
        action: AuditedAction,
        principal: Principal,
        caller: VerifiedAccessToken | None,
        request: ApprovalRequest,
    ) -> Step:
        about = request.audited(request.digest)
        client = "operator" if caller is None else None
        return self.audit.approval(
            action, principal, caller, client=client, reason=words_of(request), **about
        )


def _may_decide(approver: Approver, state: ApprovalState) -> bool:
    return approver.may_approve(state.request.principal, state.request.approvers or "")


def budget_raises(parts: ServiceParts, storage: ConversationStorage) -> BudgetRaises | None:
    """Those of BUDGET_APPROVERS."""
    variables = parts.settings.of(BudgetVariables)
    if variables.budget_approvers is None:
        return None
    return BudgetRaises(
        RaiseStore(storage.database, storage.encryption),
        parts.audit,
        parts.clock,
        variables.budget_approvers,
        variables.budget_raise_percent,
        parts.settings.policy_groups_claim,
    )
