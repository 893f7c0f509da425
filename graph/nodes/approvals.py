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
from graph.approvals.elicitations import Elicitations, is_answered_at_url
from graph.approvals.gate import REJECTED, ApprovalGate, Verdict
from graph.approvals.pending_call import PendingCall, pending_call
from graph.approvals.policy import Deny, denied
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval
from graph.call_arguments import arguments_digest
from graph.call_steps.once import note_begun
from graph.callers import Visit
from graph.credentials.run_credentials import UnavailableCredential, in_state
from graph.credentials.service_credentials import secrets_of
from graph.tool_calls.call_record import CallRecord, CallRecords
from graph.tool_calls.requested_calls import (
    accepted_calls,
    asked_calls,
    failure_text,
    latest_response,
    with_arguments,
)
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
    records: CallRecords
    answers: AnswerReader
    _: KW_ONLY
    resume_values: bool

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The results of refused calls, or what followed from one decision; else pauses the run, if the
        credentials of the calls are known.

        Raises `AuditError`.
        """
        state = visit.state
        waiting = [
            pending_call(visit, call, service)
            for call, service in accepted_calls(state)
            if service in self.gate.services
        ]
        note_begun(visit.runtime, asked_calls(state))
        verdicts = [(pending, await self._verdict(pending, visit)) for pending in waiting]
        refused = [(pending, verdict) for pending, verdict in verdicts if isinstance(verdict, Deny)]
        if refused:
            for pending, deny in refused:
                if deny.approval is None:
                    await self.gate.refused(pending)
            messages = [await self._refuse(pending, deny, visit) for pending, deny in refused]
            return {"messages": messages, **_AGAIN}
        questions = [
            (pending, verdict) for pending, verdict in verdicts if isinstance(verdict, PendingApproval)
        ]
        asked_before = [(pending, question) for pending, question in questions if question.asked]
        lacks_credential = any(verdict is None for _, verdict in verdicts)
        if lacks_credential and not asked_before:
            return {"asking": True}  # again when the credentials are known
        if not questions:
            return {"asking": False}
        pending, question = [*asked_before, *questions][0]
        return await self._ask(pending, question, visit)

    async def _verdict(self, pending: PendingCall, visit: Visit) -> Verdict | None:
        """The gate's; `None` for a call about which the user is to be asked when its credential is known. For
        a call whose server has asked the user, that about the question.
        """
        waiting = asked_calls(visit.state).get(str(pending.call["id"]))
        if waiting is not None:
            return await Elicitations(self.gate).verdict(pending, waiting)
        verdict = await self.gate.verdict(pending, visit.caller)
        if not isinstance(verdict, PendingApproval) or verdict.asked:
            return verdict
        service = self.gate.services[pending.service]
        credential = in_state(visit.state).get(pending.service)
        if isinstance(credential, UnavailableCredential):
            return self._unavailable(pending, credential.error)
        if credential is None and service.credential is not None:
            return None
        tool = pending.call["name"]
        try:
            faults = await self.answers.faults(service.name, tool, pending.call["args"], visit.caller)
        except AgentError as error:
            return self._unavailable(pending, error)
        return Deny(reason=invalid_arguments(faults)) if faults else verdict

    def _unavailable(self, pending: PendingCall, error: AgentError) -> Deny:
        """The refusal of a call that cannot be made because of `error`."""
        settings = self.gate.services[pending.service].settings
        log_failure(error.of(service_of(pending.service), settings), tool=pending.call["name"])
        return Deny(reason=failure_text(error, pending.service), error=error.code)

    async def _ask(self, pending: PendingCall, question: PendingApproval, visit: Visit) -> dict[str, Any]:
        """The update that follows from the user's answer. Without one the run pauses, by an exception."""
        arguments = redact(question.arguments, secrets_of(visit.state, visit.caller))
        if arguments != question.arguments:  # a grant would keep the secret
            question = replace(question, lasting=None)
        redacted = replace(question, arguments=arguments)
        answer = await self._usable(
            self.prompts.given(visit.runtime, question.request, visit.caller), question, visit
        )
        if answer is None:
            resumed = await self._pause(redacted, visit)
            if resumed is None:
                return {"asking": True}
            if self.resume_values:
                answer = await self._usable(resumed, question, visit)
        if answer is None:
            unusable = visit.state.get("unusable_answers", 0) + 1
            if unusable < MAX_UNUSABLE_ANSWERS:
                return {"asking": True, "unusable_answers": unusable}
            answer = Answer(approved=False, dismissed=True)
        if question.request.kind is ApprovalKind.ELICITATION:
            return await self._answer_server(pending, question.request, answer, visit)
        return await self._decide(pending, question, answer, visit)

    async def _pause(self, redacted: PendingApproval, visit: Visit) -> object:
        """Pauses the run; or LangGraph's resume value, if this run has one."""
        url: str | None = None
        if self.resume_values and is_answered_at_url(redacted.request):
            url = url_reference(redacted.request.id)
        return await self.prompts.pause(redacted, visit.caller, url)

    async def _answer_server(
        self, pending: PendingCall, request: ApprovalRequest, answer: Answer, visit: Visit
    ) -> dict[str, Any]:
        """The update after an answer to the server of a call."""
        digest = arguments_digest(answer.response) if answer.approved else None
        if not await self.prompts.decide(request, digest, visit.caller):
            return dict(_AGAIN)
        call_id = str(pending.call["id"])
        waiting = asked_calls(visit.state)[call_id]
        answered = Elicitations(self.gate).answered(pending, waiting, request, answer.response)
        return {"questions": {call_id: answered}, **_AGAIN}

    async def _decide(
        self, pending: PendingCall, question: PendingApproval, answer: Answer, visit: Visit
    ) -> dict[str, Any]:
        """The update after a decision about a call."""
        request = question.request
        arguments = answer.arguments or {}
        digest = arguments_digest(arguments) if answer.approved else None
        if not await self.prompts.decide(request, digest, visit.caller):
            return dict(_AGAIN)
        if not answer.approved:
            words = json.dumps(answer.message, ensure_ascii=False) if answer.message else None
            reason = f"{REJECTED} Their own words: {words}" if words else REJECTED
            refusal = denied(question.ruled, reason, approval=request.id)
            return {"messages": [await self._refuse(pending, refusal, visit)], **_AGAIN}
        if answer.granted is not None and self.gate.grants is not None:
            await self.gate.grants.give(request, answer.granted, visit.caller)
        if digest == request.digest:
            return dict(_AGAIN)
        response = latest_response(visit.state["messages"])
        assert response is not None  # noqa: S101 - it has the call
        return {"messages": [with_arguments(response, pending.call, arguments)], **_AGAIN}

    async def _usable(self, value: object, question: PendingApproval, visit: Visit) -> Answer | None:
        """The answer in `value`, with the arguments that it approves; `None` if it is none.

        An answer to what the user was not asked is none.
        """
        if value is None or not question.asked:
            return None
        try:
            return await self.answers.read(value, question, visit.caller)
        except AgentError:
            return None

    async def _refuse(self, pending: PendingCall, deny: Deny, visit: Visit) -> ToolMessage:
        record = CallRecord(self.records, pending.call, pending.service, visit, deny)
        return await record.refuse(deny.reason, deny.error)
