"""Whether a call may be made: by the policy, the labels of what was read, and an approval or a grant."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from graph.approvals.gate import ApprovalGate
from graph.approvals.policy import Ask, Deny
from graph.call_steps.call import Call, Outcome, Proceed

AskUser: TypeAlias = Callable[[Call, Ask], Awaitable[Deny | None]]
"""Asks the user of a call what the policy asks. Returns `None` if they have agreed, else why the call is not
made. Raises if they have not answered yet: the step is then taken again, from its beginning.
"""


@dataclass(frozen=True, slots=True)
class PermissionStep:
    """The final decision, and the use of what permits the call. What the policy has counted is taken back if
    the call was certainly not sent.

    `ask` is for a graph without a node that asks before. The policies decide once then, for the question and
    for the call, because nothing that they decide by can change between both: if they allow the call, nothing
    is awaited before it begins. If they ask, the user's answer is looked up, and the policies decide a second
    time, by that. After a pause the step is taken anew, and so is the decision: by the policy, counts, labels
    and caller of that time. A node that asks (`graph.nodes.approvals`) is visited before other calls, hooks
    and pauses, so that its decision is none about the call.
    """

    gate: ApprovalGate
    ask: AskUser | None = None

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        pending = call.pending
        caller = call.visit.caller
        decision = await self.gate.decision(pending, caller, goes_on=call.goes_on)
        if isinstance(decision, Ask) and self.ask is not None and not call.goes_on:
            refused = await self.ask(call, decision)
            if refused is not None:
                return refused
        verdict = await self.gate.permit(pending, caller, decision, goes_on=call.goes_on)
        if isinstance(verdict, Deny):
            return verdict
        call.allowed = verdict
        try:
            return await proceed(call)
        finally:
            if not (call.sent or call.goes_on):
                await verdict.released()
