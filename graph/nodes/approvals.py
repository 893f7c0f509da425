"""The node `approvals`: pauses the run until the user has decided about each call whose policy asks.

It only asks. Whether a call is made is decided again by the service's node, immediately before the call
(`ApprovalGate.permit`), so that a run that jumps around this node, or whose state was written by others,
makes no call that was not approved.

A user is asked only about a call that can be made: its credential is obtained, and its arguments are valid.

A visit ends with each decision, and the node is visited again until nothing is undecided. So each task of
LangGraph has one interrupt, and no resume value is read twice.
"""

import json
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Final

from langchain_core.messages import ToolMessage

from graph.approvals.answer import Answer, AnswerReader
from graph.approvals.consent_urls import url_reference
from graph.approvals.elicitations import Elicitations
from graph.approvals.gate import REJECTED, ApprovalGate, Verdict
from graph.approvals.pending_call import PendingCall, pending_call
from graph.approvals.policy import Deny, denied
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import PendingApproval
from graph.call_arguments import arguments_digest
from graph.call_steps.once import note_begun
from graph.callers import Visit
from graph.credentials.run_credentials import UnavailableCredential, in_state
from graph.credentials.service_credentials import secrets_of
from graph.server_question import question_in
from graph.state import AgentState
from graph.tool_calls.requested_calls import accepted_calls, asked_calls, failure_text, with_arguments
from graph.tool_calls.tool_step import ToolStep, ToolSteps
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from identity.observation.failure import log_failure
from identity.secrets.redaction import redact
from tools.arguments.fault import invalid_arguments
from tools.service_name import service_of

MAX_UNUSABLE_ANSWERS: Final = 20
"""Resume values that are no answer, after which the call is rejected: the state is saved for each."""

_AGAIN: Final = {"asking": True, "unusable_answers": 0}


@dataclass(frozen=True, slots=True)
class ApprovalsNode:
    """Asks about one call at a time. Who decides is the caller of the run, verified before each visit. With
    `resume_values`, LangGraph's resume values are the answers; else the context has them.
    """

    gate: ApprovalGate
    prompts: ApprovalPrompts
    steps: ToolSteps
    answers: AnswerReader
    _: KW_ONLY
    resume_values: bool

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The results of refused calls, or what followed from one decision; else pauses the run, if the
        credentials of the calls are known.

        Raises `AuditError`.
        """
        state, caller, runtime = visit
        accepted = accepted_calls(state)
        pending = [pending_call(visit, *each) for each in accepted if each[1] in self.gate.services]
        note_begun(runtime, asked_calls(state))
        verdicts = [(each, await self._verdict(each, state, caller)) for each in pending]
        refused = [(each, verdict) for each, verdict in verdicts if isinstance(verdict, Deny)]
        if refused:
            for each, deny in refused:
                if deny.approval is None:
                    await self.gate.refused(each)
            messages = [await self._refuse(each, deny, visit) for each, deny in refused]
            return {"messages": messages, **_AGAIN}
        undecided = [(each, verdict) for each, verdict in verdicts if isinstance(verdict, PendingApproval)]
        asked = [(each, verdict) for each, verdict in undecided if verdict.asked]
        if not asked and any(verdict is None for _, verdict in verdicts):
            return {"asking": True}  # again when the credentials are known
        for each, verdict in [*asked, *undecided]:
            return await self._ask(each, verdict, visit)
        return {"asking": False}

    async def _verdict(
        self, pending: PendingCall, state: AgentState, caller: VerifiedAccessToken
    ) -> Verdict | None:
        """The gate's; `None` for a call about which the user is to be asked when its credential is known. For
        a call whose server has asked the user, that about the question.
        """
        if (call := asked_calls(state).get(str(pending.call["id"]))) is not None:
            return await Elicitations(self.gate).verdict(pending, call)
        verdict, service = await self.gate.verdict(pending, caller), pending.service
        if not isinstance(verdict, PendingApproval) or verdict.asked:
            return verdict
        known, tool = in_state(state).get(service), pending.call["name"]
        error: AgentError
        if isinstance(known, UnavailableCredential):
            error = known.error
        elif known is None and self.gate.services[service].credential is not None:
            return None
        else:
            try:
                faults = await self.answers.faults(service, tool, pending.call["args"], caller)
            except AgentError as failure:
                error = failure
            else:
                return Deny(reason=invalid_arguments(faults)) if faults else verdict
        log_failure(error.of(service_of(service), self.gate.services[service].settings), tool=tool)
        return Deny(reason=failure_text(error, service), error=error.code)

    async def _ask(self, pending: PendingCall, asks: PendingApproval, visit: Visit) -> dict[str, Any]:
        """The update that follows from the user's answer. Without one the run pauses, by an exception."""
        state, caller, runtime = visit
        request, unusable = asks.request, state.get("unusable_answers", 0) + 1
        question = question_in(request.extensions) or {}
        shown = replace(asks, arguments=redact(asks.arguments, secrets_of(state, caller)))
        if shown.arguments != asks.arguments:  # a grant would keep the secret
            asks, shown = replace(asks, lasting=None), replace(shown, lasting=None)
        given = self.prompts.given(runtime, request, caller)
        answer = await self._usable(given, asks, caller)
        if answer is None:
            is_url = self.resume_values and question.get("mode") == "url"
            resumed = await self.prompts.pause(shown, caller, url_reference(request.id) if is_url else None)
            if resumed is None:
                return {"asking": True}
            if self.resume_values:
                answer = await self._usable(resumed, asks, caller)
        if answer is None and unusable < MAX_UNUSABLE_ANSWERS:
            return {"asking": True, "unusable_answers": unusable}
        answer = answer or Answer(approved=False, dismissed=True)
        approved = answer.response if question else answer.arguments or {}
        digest = arguments_digest(approved) if answer.approved else None
        if not await self.prompts.decide(request, digest, caller):
            return dict(_AGAIN)
        if question:
            call_id = str(pending.call["id"])
            call = Elicitations(self.gate).answered(
                pending, asked_calls(state)[call_id], request, answer.response
            )
            return {"questions": {call_id: call}, **_AGAIN}
        if not answer.approved:
            words = json.dumps(answer.message, ensure_ascii=False) if answer.message else None
            reason = f"{REJECTED} Their own words: {words}" if words else REJECTED
            refusal = denied(asks.ruled, reason, approval=request.id)
            return {"messages": [await self._refuse(pending, refusal, visit)], **_AGAIN}
        if answer.granted is not None and self.gate.grants is not None:
            await self.gate.grants.give(request, answer.granted, caller)
        if digest == request.digest:
            return dict(_AGAIN)
        return {"messages": [with_arguments(pending.response, pending.call, approved)], **_AGAIN}

    async def _usable(
        self, value: object, asks: PendingApproval, caller: VerifiedAccessToken
    ) -> Answer | None:
        """The answer in `value`, with the arguments that it approves; `None` if it is none.

        An answer to what the user was not asked is none.
        """
        if value is None or not asks.asked:
            return None
        try:
            return await self.answers.read(value, asks, caller)
        except AgentError:
            return None

    async def _refuse(self, pending: PendingCall, deny: Deny, visit: Visit) -> ToolMessage:
        step = ToolStep(self.steps, pending.call, pending.service, visit, deny)
        return await step.refused(deny.reason, deny.error)
