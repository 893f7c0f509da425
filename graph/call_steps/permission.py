"""Whether a call may be made: by the policy, the labels of what was read, and an approval or a grant."""

from dataclasses import dataclass

from graph.approvals.gate import ApprovalGate
from graph.approvals.policy import Deny
from graph.call_steps.call import Call, Outcome, Proceed


@dataclass(frozen=True, slots=True)
class PermissionStep:
    """The final decision, and the use of what permits the call. What the policy has counted is taken back if
    the call was certainly not sent.
    """

    gate: ApprovalGate

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        verdict = await self.gate.permit(call.pending, call.visit.caller, goes_on=call.goes_on)
        if isinstance(verdict, Deny):
            return verdict
        call.allowed = verdict
        try:
            return await proceed(call)
        finally:
            if not (call.sent or call.goes_on):
                await verdict.released()
