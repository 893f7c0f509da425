"""A question of a tool's server to the user of its call: asked and answered as an approval is, used once.

The record of the question has its URL and the state that the server gets back, and is kept where approvals
are, never in the state of a run, which has the ids of the questions and the answers. An answer counts for the
call, its arguments and the question as it was asked: from these follows the id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graph.approvals.gate import FINAL, ApprovalGate, Verdict
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Deny
from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStatus, PendingApproval
from graph.call_arguments import arguments_digest
from graph.extensions import Extensions
from graph.labels.data_labels import is_confidential, shown
from graph.server_question import ServerQuestion, WaitingCall, question_in
from identity.errors import ApprovalError
from identity.secrets.secret import Secret
from tools.elicitation import Answered, InputRequired, defaults

_LOST: Final = (
    "no result: the server asked the user, and the question was lost or changed. The call may already have "
    "taken effect; check that before you call again"
)


@dataclass(frozen=True, slots=True)
class Elicitations:
    """The questions of the calls that `gate` permits. A new one is in its memory until the run pauses."""

    gate: ApprovalGate

    def ask(self, pending: PendingCall, required: InputRequired) -> WaitingCall:
        """The call after its server has asked."""
        of_call = {
            "questions": dict(required.questions),
            "state": required.state and required.state.reveal(),
            "rounds": required.rounds,
        }
        first = next(iter(required.questions))
        return WaitingCall(asked=[self._kept(pending, of_call, first)], responses={})

    async def verdict(self, pending: PendingCall, call: WaitingCall) -> Verdict:
        """Whether the call goes on: it does when all questions have a response."""
        request, status = await self._asked(pending, call["asked"][-1])
        question = None if request is None else question_in(request.extensions)
        if request is None or question is None:
            return Deny(reason=_LOST)
        if len(call["responses"]) >= len(call["asked"]):
            return Allow(approval=request.id)
        if status is not None and status in FINAL:
            return Deny(reason=FINAL[status], approval=request.id)
        return PendingApproval(request, defaults(question), asked=status is not None)

    def answered(
        self, pending: PendingCall, call: WaitingCall, request: ApprovalRequest, response: Mapping[str, Any]
    ) -> WaitingCall:
        """The call after a response that counts. Without acceptance, no further question is asked."""
        question = question_in(request.extensions) or {}
        of_call = question["of_call"]
        responses = {**call["responses"], question["key"]: dict(response)}
        question_ids = call["asked"]
        following = [key for key in of_call["questions"] if key not in responses]
        if response["action"] == "accept" and following:
            question_ids = [*question_ids, self._kept(pending, of_call, following[0])]
        return WaitingCall(asked=question_ids, responses=responses)

    async def use(self, pending: PendingCall, call: WaitingCall) -> Answered | Deny:
        """The answers with which the call goes on, once: each accepted one is used, others are on record."""
        responses: dict[str, Any] = {}
        question: Mapping[str, Any] = {}
        for approval_id in call["asked"]:
            request, status = await self._asked(pending, approval_id)
            question = (request and question_in(request.extensions)) or {}
            response = call["responses"].get(question.get("key", ""))
            if request is None or not isinstance(response, dict):
                return Deny(reason=_LOST)
            if response.get("action") == "accept":
                try:
                    await self.gate.use(request, arguments_digest(response), pending.conversation)
                except ApprovalError:
                    return Deny(reason=FINAL.get(status or ApprovalStatus.OPEN, _LOST), approval=request.id)
            elif status is not ApprovalStatus.REJECTED:
                return Deny(reason=_LOST)
            responses[question["key"]] = response
        of_call = question["of_call"]
        answers = {key: responses.get(key, {"action": "cancel"}) for key in of_call["questions"]}
        state = None if of_call["state"] is None else Secret(of_call["state"])
        return Answered(answers, state, of_call["rounds"])

    def _kept(self, pending: PendingCall, of_call: Mapping[str, Any], key: str) -> str:
        """Keeps the question `key`, with what the call needs; its id."""
        question = {**of_call["questions"][key], "key": key, "of_call": of_call}
        read = shown(pending.read) if is_confidential(pending.read) else ()
        request = self._request(pending, question, read)
        self.gate.new[request.id] = request
        return request.id

    async def _asked(
        self, pending: PendingCall, approval_id: str
    ) -> tuple[ApprovalRequest | None, ApprovalStatus | None]:
        """The question of this id, if it is about this call as it is now, and its status."""
        state = await self.gate.known(approval_id, pending.principal)
        request = self.gate.new.get(approval_id) if state is None else state.request
        question = None if request is None else question_in(request.extensions)
        if request is None or question is None:
            return None, None
        now = self._request(pending, question)
        status = None if state is None else state.status
        if now.id != request.id:
            return None, status
        return request, status

    def _request(
        self, pending: PendingCall, question: Mapping[str, Any], read: tuple[str, ...] = ()
    ) -> ApprovalRequest:
        """The request with a question about a call, as it would be asked now."""
        arguments = arguments_digest(pending.call["args"])
        return self.gate.requests.for_call(
            pending,
            ApprovalKind.ELICITATION,
            read=read,
            digest=arguments_digest({"arguments": arguments, "question": question}),
            extensions=Extensions(ServerQuestion(question)),
        )


def is_answered_at_url(request: ApprovalRequest) -> bool:
    """Whether a server asks its user to answer at a URL of its own."""
    question = question_in(request.extensions)
    return question is not None and question.get("mode") == "url"
