"""Lets the server of a tool ask the user of its call, who answers between two visits of the node."""

from dataclasses import dataclass, replace

from graph.approvals.elicitations import Elicitations
from graph.approvals.gate import ApprovalGate
from graph.approvals.policy import Deny
from graph.call_steps.call import Call, Outcome, Proceed
from graph.tool_calls.requested_calls import asked_calls
from tools.elicitation import ANSWERED, Answered


@dataclass(frozen=True, slots=True)
class QuestionStep:
    """A call that goes on gets the answers of its user, each used once. A call whose server asks is not at
    its end: the state of the run gets its question, and the result of this visit is none.
    """

    gate: ApprovalGate

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        elicitations = Elicitations(self.gate)
        questions = call.update.setdefault("questions", {})
        answers = Answered() if self.gate.can_ask(call.pending) else None
        if call.goes_on:
            waiting = asked_calls(call.visit.state)[call.id]
            questions[call.id] = None
            used = await elicitations.use(call.pending, waiting)
            if isinstance(used, Deny):
                return used
            answers = used
            call.allowed = replace(call.allowed, approval=waiting["asked"][-1])
        ANSWERED.set(answers)
        outcome = await proceed(call)
        if call.result is not None and call.result.asks is not None:
            questions[call.id] = elicitations.ask(call.pending, call.result.asks)
        return outcome
