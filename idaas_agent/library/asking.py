"""Asks the user of a call during it, by LangGraph's `interrupt`, and what they have answered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.messages import ToolCall

from graph.approvals.answer import Answer, AnswerReader
from graph.approvals.gate import ApprovalGate, Verdict
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Ask, Decision, Deny, denied
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStatus, PendingApproval
from graph.call_arguments import arguments_digest
from graph.call_steps.call import Call, Outcome, Proceed
from graph.context import context_of
from graph.credentials.service_credentials import ServiceCredential
from graph.tool_calls.requested_calls import failure_text
from idaas_agent.library.place import Place
from idaas_agent.library.questions import AskedCall, Questions
from idaas_agent.library.stored_approvals import Edits
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from tools.approval_policy import Effect
from tools.arguments.fault import invalid_arguments

_NO_APPROVERS: Final = (
    "not run: another person must approve this call, and this application has no place where they do"
)
_RECENT_SIGN_IN: Final = "not run: the policy requires a recent sign-in: the user signs in, and asks again"
_NO_PERSON: Final = "not run: a person must approve this call, and the caller is a program"


@dataclass(frozen=True, slots=True)
class Approvals:
    """The questions about calls of some services, and the decisions: `questions.Decisions`."""

    gate: ApprovalGate
    prompts: ApprovalPrompts
    answers: AnswerReader
    questions: Questions
    edits: Edits | None = None

    async def with_edits(self, pending: PendingCall) -> PendingCall:
        """The call with the arguments that its user has approved in place of those of the model, in this
        process or, with `edits`, in another one.
        """
        edited = self.questions.with_edits(pending)
        if edited is not pending or self.edits is None or not self._may_be_edited(pending):
            return edited
        state = await self.gate.known(self.gate.requests.for_call(pending).id, pending.principal)
        if state is None or state.approved_digest in (None, state.request.digest):
            return pending
        arguments = await self.edits.find(state.request, state.approved_digest)
        if arguments is None:
            return pending
        return replace(pending, call=ToolCall({**pending.call, "args": dict(arguments)}))

    def _may_be_edited(self, pending: PendingCall) -> bool:
        """Whether its user may have been asked about the call, also by a policy that was another one."""
        if pending.conversation is None:
            return False
        policy = self.gate.services[pending.service].policy(pending.call["name"])
        return policy.effect is not Effect.READ or self.decides(pending)

    def decides(self, pending: PendingCall) -> bool:
        """Whether the call may be refused, or asked about."""
        is_refused = self.questions.refusal(pending) is not None
        return is_refused or self.gate.decides(pending.call, pending.service, pending.read)

    async def decision(self, pending: PendingCall, caller: VerifiedAccessToken) -> Decision:
        """The gate's; a refusal if the user has declined the call, or if another one was asked about it."""
        reason = self.questions.refusal(pending)
        if reason is not None:
            return Deny(reason=reason)
        return await self.gate.decision(pending, caller)

    async def verdict_by_answers(
        self, pending: PendingCall, asks: Ask, credential: ServiceCredential, caller: VerifiedAccessToken
    ) -> Verdict:
        """The gate's. `PendingApproval`: the caller can be asked, and the call can be made."""
        verdict = await self.gate.verdict_by_answers(pending, caller, asks)
        if not isinstance(verdict, PendingApproval):
            return verdict
        if (reason := _unaskable(verdict, caller)) is not None:
            return denied(verdict.ruled, reason)
        return await self._checked(pending, verdict, credential, caller)

    async def ask(self, call: Call, asks: Ask) -> Deny | None:
        """See `PermissionStep`. Raises `GraphInterrupt`."""
        caller = call.visit.caller
        verdict = await self.verdict_by_answers(call.pending, asks, call.credential, caller)
        if isinstance(verdict, PendingApproval):
            asked = AskedCall(call.pending, verdict, self)
            await self.questions.ask(place_of(call), [asked], caller)
        return verdict if isinstance(verdict, Deny) else None

    async def _checked(
        self,
        pending: PendingCall,
        asks: PendingApproval,
        credential: ServiceCredential,
        caller: VerifiedAccessToken,
    ) -> PendingApproval | Deny:
        """`asks`, if the credential of the call can be had, and its arguments are valid."""
        try:
            if credential.requirement is not None:
                await credential.credential()
            faults = await self.answers.faults(
                pending.service, pending.call["name"], pending.call["args"], caller
            )
        except AgentError as error:
            return denied(asks.ruled, failure_text(error, pending.service), error=error.code)
        return denied(asks.ruled, invalid_arguments(faults)) if faults else asks

    async def asked_before(self, pending: PendingCall, approval_id: str) -> PendingApproval | None:
        """The question of `approval_id`, if it is about the call as it is, and waits for its answer."""
        state = await self.gate.known(approval_id, pending.principal)
        if state is None or self.gate.requests.for_call(pending).id != approval_id:
            return None
        if state.status is not ApprovalStatus.OPEN:
            return None
        arguments = pending.call["args"]
        return PendingApproval(state.request, arguments) if _is_about(state.request, arguments) else None

    def may_decide(self, caller: VerifiedAccessToken) -> bool:
        """See `Decisions`."""
        return self.prompts.may_decide(caller) and not caller.is_client

    async def keep(self, asked: PendingApproval, caller: VerifiedAccessToken) -> None:
        """See `Decisions`."""
        await self.prompts.keep(asked, caller)

    async def read(self, value: object, asked: PendingApproval, caller: VerifiedAccessToken) -> Answer:
        """See `Decisions`."""
        return await self.answers.read(value, asked, caller)

    async def approve(
        self, asked: PendingApproval, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> bool:
        """See `Decisions`."""
        digest = arguments_digest(arguments)
        if self.edits is not None and digest != asked.request.digest:
            await self.edits.keep(asked.request, arguments)
        return await self.prompts.decide(asked.request, digest, caller)

    async def reject(self, asked: PendingApproval, caller: VerifiedAccessToken) -> None:
        """See `Decisions`."""
        await self.prompts.decide(asked.request, None, caller)


@dataclass(frozen=True, slots=True)
class AnswersStep:
    """The user's answer about a call counts before the policies: other arguments, or a refusal."""

    approvals: Approvals

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        if call.goes_on:
            return await proceed(call)
        call.pending = await self.approvals.with_edits(call.pending)
        reason = self.approvals.questions.refusal(call.pending)
        if reason is not None:
            return Deny(reason=reason)
        return await proceed(call)


def place_of(call: Call) -> Place:
    """Where a call is made."""
    place = context_of(call.visit.runtime).extensions.get(Place)
    assert place is not None  # noqa: S101 - `GovernedCalls` sets it
    return place


def _is_about(request: ApprovalRequest, arguments: Mapping[str, Any]) -> bool:
    return request.digest == arguments_digest(arguments)


def _unaskable(asks: PendingApproval, caller: VerifiedAccessToken) -> str | None:
    """Why the caller cannot be asked here."""
    if asks.request.kind is not ApprovalKind.TOOL_CALL:
        return _RECENT_SIGN_IN
    if asks.request.approvers is not None:
        return _NO_APPROVERS
    return _NO_PERSON if caller.is_client else None
