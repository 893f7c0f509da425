"""LangChain's hooks around calls of tools, as one step (`graph.nodes.middleware`)."""

from dataclasses import dataclass

from langchain_core.messages import ToolCall, ToolMessage

from graph.approvals.policy import Deny
from graph.call_steps.budget import CallBudget
from graph.call_steps.call import Call, Proceed
from graph.call_steps.labels import keep_labels
from graph.call_steps.once import MAY_HAVE_EFFECT
from graph.call_steps.refusals import RefusalStep
from graph.nodes.model import ModelNode
from graph.nodes.operator_code import OperatorVisit


@dataclass(frozen=True, slots=True)
class CallHooksStep:
    """A hook may change the arguments of a call, and make it again if it only reads, within the budget. What
    it makes is decided about as what the model requests.
    """

    model: ModelNode
    budget: CallBudget
    refusals: RefusalStep

    async def __call__(self, call: Call, proceed: Proceed) -> ToolMessage:
        """The result that the hooks leave."""
        if not self.model.middleware.around_calls:
            return await self.refusals(call, proceed)

        async def made(wanted: ToolCall) -> ToolMessage:
            return await self.refusals(call.made_anew(wanted), proceed)

        async def made_again(wanted: ToolCall) -> ToolMessage:
            if not call.only_reads:
                return await refused(wanted, Deny(reason=MAY_HAVE_EFFECT))
            if not self.budget.take(call.visit.runtime):
                return await refused(wanted, self.budget.exceeded)
            return await made(wanted)

        async def refused(wanted: ToolCall, deny: Deny) -> ToolMessage:
            return await self.refusals.recorded(call.made_anew(wanted), deny)

        visit = OperatorVisit(call.service.name, self.model, call.visit, call.credential.obtained)
        result = await self.model.middleware.call(
            visit, call.pending.call, made=made, again=made_again, refused=refused
        )
        keep_labels(call, visit.labels)
        return result
