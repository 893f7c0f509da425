"""Decides about calls by their policy: whether a person is asked, and at the call, finally."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from cachetools import LRUCache
from langchain_core.messages import ToolCall

from graph.approvals.lasting_approvals import CoveringApproval, LastingApprovals
from graph.approvals.pending_call import ApprovalRequests, PendingCall
from graph.approvals.policies import Policies, policies_of
from graph.approvals.policy import Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast, denied
from graph.approvals.record import (
    ApprovalRequest,
    ApprovalState,
    ApprovalStatus,
    ApprovalStore,
    Approver,
    PendingApproval,
)
from graph.context import Conversation
from graph.credentials.service_credentials import ServiceRequirement
from graph.error_codes import GraphCode, invalid_approval
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ApprovalError, ErrorCode
from identity.principal import Principal
from tools.approval_policy import DataLabels
from tools.lasting import Lasting
from tools.service import Service, ToolSchema

_CAPACITY: Final = 10_000
STATELESS: Final = "not run: the call needs the user's approval, and this conversation is not kept"
_CHANGED: Final = "not run: its arguments are not those about which the user was asked"
REJECTED: Final = "The user declined this call."
_REJECTED_BY_ANOTHER: Final = "Another person, whom the policy asks, declined this call."
_EXPIRED: Final = "not run: the user's decision did not come in time; ask whether to call again"
_WITHDRAWN: Final = "not run: the request for approval was withdrawn"
_USED: Final = (
    "not run again: the approval of this call was used before, and the call may already have taken effect; "
    "check that before you call again"
)
FINAL: Final[Mapping[ApprovalStatus, str]] = {
    ApprovalStatus.REJECTED: REJECTED,
    ApprovalStatus.EXPIRED: _EXPIRED,
    ApprovalStatus.WITHDRAWN: _WITHDRAWN,
    ApprovalStatus.USED: _USED,
}
_NOT_SIGNED_IN: Final = (
    "not run: the policy of the agent requires a recent sign-in, and the user's access token is of an "
    "earlier one"
)
_UNAPPROVED: Final = "not run: the user has not approved this call"
_REFUSALS: Final[Mapping[ErrorCode, str]] = {
    GraphCode.APPROVAL_EXPIRED: _EXPIRED,
    GraphCode.APPROVAL_USED: _USED,
}


Verdict: TypeAlias = Allow | Deny | PendingApproval
"""`PendingApproval`: the person decides."""


class ApprovalGate:
    """The policy of calls, and the approvals. Without a store every call that asks is refused."""

    def __init__(
        self,
        services: Iterable[Service],
        requirements: Mapping[str, ServiceRequirement],
        store: ApprovalStore | None,
        seconds: float,
        clock: Callable[[], float],
        policy: Policies | None = None,
        grants: LastingApprovals | None = None,
        stateless: str = STATELESS,
    ) -> None:
        """`seconds` is the time in which a person decides. Without a `policy`, that is what services declare
        and what calls would disclose. Without `grants`, an approval is for one call. `stateless` is the
        reason for the model when nobody can be asked, because nothing is kept.
        """
        self.services: Final = {service.name: service for service in services}
        """By their names. The state of a run may name any other."""
        self._policy = policy or policies_of(self.services, requirements)
        self._store = store
        self._stateless = stateless
        self.grants: Final = grants
        self._clock = clock
        self.new: Final[LRUCache[str, ApprovalRequest]] = LRUCache(_CAPACITY)
        """Questions of servers, by their ids, of runs that have not paused yet."""
        self.requests: Final = ApprovalRequests(self.services, requirements, seconds, clock)

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:
        """Whether a call may be refused, or asked about, after what has the labels `read` was read."""
        return self._policy.decides(call, service, read)

    async def decision(
        self, pending: PendingCall, caller: VerifiedAccessToken, *, goes_on: bool = False
    ) -> Decision:
        """The decision of the policies, without a consent. A question that no person can be asked is a
        refusal. What an `Allow` has counted is to be released if the call is not made.
        """
        decision = await self._policy.decide(pending, caller, Facts(began=goes_on))
        if isinstance(decision, Ask) and not self.can_ask(pending):
            return denied(decision, self._stateless)
        return decision

    async def verdict(self, pending: PendingCall, caller: VerifiedAccessToken) -> Verdict:
        """Whether the call may be made, by what is known now. It uses no approval."""
        decision = await self.decision(pending, caller)
        if isinstance(decision, Allow):
            await decision.released()
            return decision
        if isinstance(decision, Deny):
            return decision
        return await self.verdict_by_answers(pending, caller, decision)

    async def verdict_by_answers(
        self, pending: PendingCall, caller: VerifiedAccessToken, asks: Ask
    ) -> Verdict:
        """Whether the call may be made, as far as people have answered what `asks` asks. It uses no
        approval.
        """
        if asks.sign_in is not None:
            return await self._sign_in(pending, asks)
        allowed = Allow()
        for question in self._questions(pending, asks):
            verdict = await self._answered(pending, question, caller)
            if not isinstance(verdict, Allow):
                return verdict
            allowed = verdict
        return allowed

    async def _answered(
        self, pending: PendingCall, question: "_Question", caller: VerifiedAccessToken
    ) -> Verdict:
        """Whether the call may be made as far as one of its questions is concerned."""
        request, ask = question
        state = await self.known(request.id, request.principal)
        offered = self._offered(ask, pending)
        if state is None:
            granted = await self._granted(question, offered, pending, caller)
            if granted is not None:
                grant, allowed = granted
                await allowed.released()
                return Allow(approval=grant.id)
            return PendingApproval(request, pending.call["args"], asked=False, lasting=offered, ruled=ask)
        if state.status is ApprovalStatus.REJECTED and state.approver is not None:
            return denied(ask, _REJECTED_BY_ANOTHER, approval=request.id)
        if state.status in FINAL:
            return denied(ask, FINAL[state.status], approval=request.id)
        if request.digest != (state.approved_digest or state.request.digest) or not _says(state, ask):
            return denied(ask, _CHANGED, approval=request.id)
        if state.status is ApprovalStatus.APPROVED:
            return Allow(approval=request.id)
        return PendingApproval(state.request, pending.call["args"], lasting=offered, ruled=ask)

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser) -> Forecast:
        """See `CallPolicy.forecast`. Where no person can be asked, it is a refusal."""
        forecast = await self._policy.forecast(service, tool, user)
        if isinstance(forecast, Ask) and self._store is None:
            return Deny(policy=forecast.policy, rules=forecast.rules)
        return forecast

    async def permit(
        self,
        pending: PendingCall,
        caller: VerifiedAccessToken,
        decision: Decision | None = None,
        *,
        goes_on: bool = False,
    ) -> Allow | Deny:
        """The final decision, immediately before the call. It uses the approvals, or a grant if the user was
        not asked: a second call is refused.

        `decision` is that of the method of this name, if it was made just now: since then nothing was awaited
        but the answers to what it asks. If it allows or denies the call, it is final. If it asks, the
        approval is used, and the policy decides again, by the approval: what has changed meanwhile counts. If
        it does not allow the call then, the approval is used all the same.
        A call that `goes_on`, because its user has answered its server, used what permits it when it began.
        Raises `ThreadBusyError` if the run has lost its conversation (`graph.call_steps.fence`).
        """
        if decision is None:
            decision = await self.decision(pending, caller, goes_on=goes_on)
        if isinstance(decision, Allow | Deny):
            return decision
        if decision.sign_in is not None:
            return denied(decision, _NOT_SIGNED_IN)
        return await self._used(pending, caller, decision, goes_on=goes_on)

    async def _used(
        self, pending: PendingCall, caller: VerifiedAccessToken, decision: Ask, *, goes_on: bool
    ) -> Allow | Deny:
        """The final decision about a call that waited for answers: each of them is used."""
        approval = ""
        approver: Approver | None = None
        for question in self._questions(pending, decision):
            request, ask = question
            approval = request.id
            state = await self.known(request.id, request.principal)
            if state is None:
                granted = await self._granted(question, self._offered(ask, pending), pending, caller)
                if granted is not None:
                    return await self._by_grant(pending, decision, granted, goes_on=goes_on)
            elif not _says(state, ask) or (self.grants is not None and self.grants.is_void(state)):
                return denied(decision, _UNAPPROVED, approval=request.id)
            began = state is not None and state.status is ApprovalStatus.USED and goes_on
            try:
                if not began or state is None or state.approved_digest != request.digest:
                    run = pending.conversation
                    now = self._clock()
                    await self.store.use(request.id, request.principal, request.digest, now, run)
            except ApprovalError as error:
                return denied(decision, _REFUSALS.get(error.code, _UNAPPROVED), approval=request.id)
            approver = None if state is None else state.approver
        facts = Facts(approved=True, approver=approver, began=goes_on)
        allowed = await self._policy.decide(pending, caller, facts)
        if isinstance(allowed, Ask):
            return denied(allowed, _UNAPPROVED, approval=approval)
        if isinstance(allowed, Deny):
            return replace(allowed, approval=approval)
        return _observed(allowed, approval, decision)

    async def _by_grant(
        self, pending: PendingCall, decision: Ask, granted: tuple[CoveringApproval, Allow], *, goes_on: bool
    ) -> Allow | Deny:
        """The final decision about a call that a grant covers: the use is counted."""
        grant, allowed = granted
        try:
            if not goes_on:
                await grant.use(self._clock(), pending.conversation)
        except AgentError as error:
            await allowed.released()
            if not isinstance(error, ApprovalError):
                raise
            return denied(decision, _REFUSALS.get(error.code, _UNAPPROVED), approval=grant.id)
        return _observed(allowed, grant.id, decision)

    @property
    def store(self) -> ApprovalStore:
        """Where approvals are kept: a call that needs it is refused without one."""
        assert self._store is not None  # noqa: S101 - see `_questions`
        return self._store

    def can_ask(self, pending: PendingCall) -> bool:
        """Whether the user of a call can be asked during it."""
        return self._store is not None and pending.conversation is not None

    async def known(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        """The stored state of a request, with its status now; `None` if `principal` was not asked."""
        state = await self.store.get(approval_id, principal)
        return None if state is None else replace(state, status=state.status_at(self._clock()))

    async def use(self, request: ApprovalRequest, digest: str, run: Conversation | None) -> None:
        """Uses the answer of `digest` in `run`. Raises `ApprovalError`, also if it is void, or was used
        before, and `ThreadBusyError` as `permit` does.
        """
        state = await self.known(request.id, request.principal)
        if state is not None and self.grants is not None and self.grants.is_void(state):
            raise invalid_approval("the rights of who answered were changed since")
        await self.store.use(request.id, request.principal, digest, self._clock(), run)

    async def refused(self, pending: PendingCall) -> None:
        """Withdraws a question about a call whose policy refuses it now."""
        if self._store is not None and pending.conversation is not None:
            thread_id = pending.conversation.thread_id
            call_id = pending.call["id"] or ""
            await self._store.withdraw(pending.principal, thread_id, self._clock(), call_id=call_id)

    def _questions(self, pending: PendingCall, decision: Ask) -> "Sequence[_Question]":
        """The questions about a call of a conversation that is kept, in their order."""
        made = self.requests.for_call
        return [
            _Question(made(pending, approvers=ask.approvers, ruled=ask, read=ask.read), ask)
            for ask in decision.in_order()
        ]

    async def _sign_in(self, pending: PendingCall, decision: Ask) -> Verdict:
        """Asks the user once to sign in again. A token that says the same as before is refused then."""
        assert pending.conversation is not None  # noqa: S101 - `_questions` refuses every other call
        request = self.requests.for_sign_in(pending.principal, pending.conversation)
        state = await self.known(request.id, request.principal)
        if state is None:
            return PendingApproval(request, {}, asked=False)
        if state.status is ApprovalStatus.OPEN:
            return PendingApproval(state.request, {})
        return denied(decision, _NOT_SIGNED_IN)

    async def _granted(
        self,
        question: "_Question",
        offered: Lasting | None,
        pending: PendingCall,
        caller: VerifiedAccessToken,
    ) -> tuple[CoveringApproval, Allow] | None:
        """A grant that covers the call, and the decision of the policy that allows the call with it. A grant
        is its user's: it answers no question to another person. It counts if it could be given today.
        """
        if self.grants is None or offered is None:
            return None
        for grant in await self.grants.covering(question.request, pending.call["args"], caller):
            if not grant.lasting.is_within(offered):
                continue
            facts = Facts(approved=True, lasting=grant.lasting.seconds)
            decision = await self._policy.decide(pending, caller, facts)
            if isinstance(decision, Allow):
                return grant, decision
        return None

    def _offered(self, ask: Ask, pending: PendingCall) -> Lasting | None:
        """Further calls that the user may approve with this one."""
        if self.grants is None or ask.approvers is not None or not ask.lasting:
            return None
        policy = self.services[pending.service].policy(pending.call["name"])
        return policy.offered(pending.call["args"], max(ask.lasting))


class _Question(NamedTuple):
    """A question about a call: the request, and what asks it."""

    request: ApprovalRequest
    ask: Ask


def _observed(allowed: Allow, approval: str, asked: Ask) -> Allow:
    """`allowed` by an approval. What observed rules would have decided otherwise was known when it asked."""
    return replace(allowed, approval=approval, observed=asked.observed or allowed.observed)


def _says(state: ApprovalState, ask: Ask) -> bool:
    """Whether the person was shown what the call could carry now, or has written the arguments themselves."""
    is_edited = state.is_edited
    return is_edited or set(ask.read) <= set(state.request.read)
