"""The node `approvals`: pauses the run until the user has decided about each call whose policy asks.

It only asks. Whether a call is made is decided again by the service's node, immediately before the call
(`ApprovalGate.permit`), so that a run that jumps around this node, or whose state was written by others,
makes no call that was not approved.

A visit ends with each decision, and the node is visited again until nothing is undecided. So each task of
LangGraph has one interrupt, and no resume value is read twice.
"""

import json
from dataclasses import replace
from typing import Any, Final

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graph.approvals.answer import Answer, edited_arguments, parse_answer
from graph.approvals.digest import arguments_digest
from graph.approvals.gate import REJECTED, ApprovalGate, PendingCall, Refused, Undecided
from graph.approvals.record import ApprovalRequest, PendingApproval
from graph.approvals.request import interrupt_value
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.nodes.pending_call import pending_call
from graph.nodes.refused_calls import RefusedCalls
from graph.service_credentials import secrets_of
from graph.state import AgentState
from graph.tool_calls import accepted_calls, with_arguments
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.step import AuditedStep
from identity.audit.trail import AuditTrail
from identity.errors import ApprovalError, AuditError
from identity.principal import Principal
from identity.redaction import redact

MAX_UNUSABLE_ANSWERS: Final = 20
"""Resume values that are no answer, after which the call is rejected: the state is saved for each."""

_AGAIN: Final = {"asking": True, "unusable_answers": 0}


class ApprovalsNode:
    """Asks about one call at a time. Who decides is the caller of the run, verified before each visit."""

    def __init__(
        self, gate: ApprovalGate, audit: AuditTrail, refused_calls: RefusedCalls, *, resume_values: bool
    ) -> None:
        """With `resume_values`, LangGraph's resume values are the answers; else those of the context."""
        self._gate = gate
        self._audit = audit
        self._refused_calls = refused_calls
        self._resume_values = resume_values

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The results of refused calls, or what followed from one decision; else pauses the run.

        Raises `ApprovalError` if another user's run is resumed, and `AuditError`.
        """
        pending = [
            pending_call(state, call, service, caller, runtime)
            for call, service in accepted_calls(state)
            if self._gate.knows(service)
        ]
        verdicts = [(each, await self._gate.verdict(each)) for each in pending]
        refused = [(each, verdict) for each, verdict in verdicts if isinstance(verdict, Refused)]
        if refused:
            messages = [await self._refuse(each, why, state, caller, runtime) for each, why in refused]
            return {"messages": messages, **_AGAIN}
        for each, verdict in verdicts:
            if isinstance(verdict, Undecided):
                return await self._ask(each, verdict, state, caller, runtime)
        return {"asking": False}

    async def _ask(
        self,
        pending: PendingCall,
        undecided: Undecided,
        state: AgentState,
        caller: VerifiedAccessToken,
        runtime: Runtime[AgentContext],
    ) -> dict[str, Any]:
        """What follows from the user's answer. Without one the run pauses, and this does not return."""
        _require_principal(state, caller.principal)
        request, unusable = undecided.request, state.get("unusable_answers", 0) + 1
        context = runtime.context
        given = context.answers.get(request.id) if isinstance(context, AgentContext) else None
        answer = _usable(given, pending.call, undecided)
        if answer is None:
            shown = redact(pending.call["args"], secrets_of(state, caller))
            resumed = await self._pause(undecided, PendingApproval(request, shown), caller)
            answer = _usable(resumed, pending.call, undecided) if self._resume_values else None
        if answer is None and unusable < MAX_UNUSABLE_ANSWERS:
            return {"asking": True, "unusable_answers": unusable}
        answer = answer or Answer(approved=False)
        if not await self._decide(request, answer, caller):
            return dict(_AGAIN)
        if not answer.approved:
            words = answer.message and json.dumps(answer.message, ensure_ascii=False)
            reason = f"{REJECTED} Their own words: {words}" if words else REJECTED
            refused = Refused(reason, request.id)
            return {"messages": [await self._refuse(pending, refused, state, caller, runtime)], **_AGAIN}
        if answer.arguments is None or arguments_digest(answer.arguments) == request.digest:
            return dict(_AGAIN)
        return {"messages": [with_arguments(pending.response, pending.call, answer.arguments)], **_AGAIN}

    async def _pause(
        self, undecided: Undecided, shown: PendingApproval, caller: VerifiedAccessToken
    ) -> object:
        """Pauses the run; LangGraph's resume value if it has one. Only what was shown counts as asked."""
        try:
            return interrupt(interrupt_value(shown))
        except GraphInterrupt:
            if not undecided.asked:
                request = undecided.request
                step = self._step(AuditedAction.APPROVAL_REQUESTED, request, request.digest, caller)
                await step.ended(AuditOutcome.SUCCEEDED)
                await self._gate.open(request)
            raise

    async def _decide(self, request: ApprovalRequest, answer: Answer, caller: VerifiedAccessToken) -> bool:
        """Keeps and records the decision. False if it does not count: the next visit reads what does.

        A decision that cannot be recorded is withdrawn.
        """
        arguments = answer.arguments if answer.approved else None
        digest = request.digest if arguments is None else arguments_digest(arguments)
        step = self._step(AuditedAction.APPROVAL_DECIDED, request, digest, caller)
        try:
            await self._gate.decide(request, arguments)
        except ApprovalError as error:
            await step.ended(AuditOutcome.FAILED, error.code)
            return False
        try:
            await step.ended(AuditOutcome.SUCCEEDED if answer.approved else AuditOutcome.REFUSED)
        except AuditError:
            await self._gate.withdraw(request)
            raise
        return True

    async def _refuse(
        self,
        pending: PendingCall,
        refused: Refused,
        state: AgentState,
        caller: VerifiedAccessToken,
        runtime: Runtime[AgentContext],
    ) -> ToolMessage:
        return await self._refused_calls.report(
            pending.call,
            refused.reason,
            pending.service,
            caller,
            runtime.stream_writer,
            secrets_of(state, caller),
            approval=refused.approval,
        )

    def _step(
        self, action: AuditedAction, request: ApprovalRequest, digest: str, caller: VerifiedAccessToken
    ) -> AuditedStep:
        return self._audit.approval(
            action,
            caller,
            approval=request.id,
            service=request.service,
            tool=request.tool,
            call_id=request.call_id,
            arguments_digest=digest,
            access_identity=request.access_identity,
            audience=request.audience,
            scope=request.scope,
            credential=request.credential,
        )


def _usable(value: object, call: ToolCall, undecided: Undecided) -> Answer | None:
    """The answer in `value`, with the arguments that it approves; `None` if it is none.

    An answer to what the user was not asked is none.
    """
    answer = parse_answer(value, undecided.request.id) if undecided.asked else None
    if answer is None or not answer.approved:
        return answer
    arguments = edited_arguments(answer, call["name"], call["args"])
    return None if arguments is None else replace(answer, arguments=arguments)


def _require_principal(state: AgentState, caller: Principal) -> None:
    """Raises `ApprovalError` if the run was going on for another principal.

    What the state says can only refuse here: an approval is found by the verified caller's principal.
    """
    found = state.get("principal")
    if found is not None and Principal(found["issuer"], found["subject"]) != caller:
        raise ApprovalError(GraphCode.APPROVAL_INVALID, "the run waits for the decision of another principal")
