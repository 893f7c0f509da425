"""Lends the model, and the tools of the graph, to a tool that is an agent itself, during its call."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import ToolException

from graph.approvals.pending_call import pending_call
from graph.approvals.policy import Allow, Deny
from graph.call_arguments import are_valid_arguments
from graph.call_steps.call import Call, Outcome, Proceed
from graph.callers import CallerNode
from graph.labels.data_labels import joined, labels_of
from graph.nodes.model import ModelNode
from graph.tool_calls.default_arguments import call_with_defaults
from tools.approval_policy import Effect
from tools.lent_agent import LENT
from tools.progress import progress
from tools.service import ToolSchema


@dataclass(frozen=True, slots=True)
class LentAgentStep:
    """A call of a tool that is an agent is one of `nodes`, by the service's name: without questions of its
    server, and without a call that is proposed again.
    """

    model: ModelNode
    nodes: Mapping[str, CallerNode]

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        lent = _Lent(self, call)
        LENT.set(lent)  # in the task of this call
        try:
            return await proceed(call)
        finally:
            lent.ended = True


@dataclass(slots=True)
class _Lent:
    """The `tools.lent_agent.Lent` of one call. Calls about which the user is to be asked, and changes by a
    tool that only reads, which a server may execute again, are proposed: not made before the tool has
    returned.
    """

    step: LentAgentStep
    call: Call
    ended: bool = False
    of_run: Context = field(default_factory=copy_context)  # by which LangGraph finds the streams of the run

    async def respond(self, messages: list[Any], tools: Sequence[Any]) -> AIMessage:
        self._report()
        return await self.step.model.ask(messages, self.call.visit, shown=False, tools=tools)

    def tools(self) -> list[ToolSchema]:
        visit = self.call.visit
        offered = self.step.model.offered(visit.state, visit.caller)
        return [tool for tool in offered.tools if tool.name != self.call.tool]

    async def made(self, tool: str, arguments: dict[str, Any]) -> str:
        self._report(tool)
        if not are_valid_arguments(arguments):
            raise ToolException("the arguments must be JSON")
        visit = self.call.visit
        offered = self.step.model.offered(visit.state, visit.caller)
        service = offered.services[tool]
        call = ToolCall(name=tool, args=arguments, id=uuid.uuid4().hex, type="tool_call")
        call = call_with_defaults(call, offered.tools)
        return await asyncio.create_task(self._made(call, service), context=self.of_run.copy())

    async def _made(self, call: ToolCall, service: str) -> str:
        """The result of a call, by a visit of the service's node."""
        outer = self.call
        update = outer.update
        gate = self.step.model.gate
        state = outer.visit.state.copy()
        response = AIMessage("", id=uuid.uuid4().hex, tool_calls=[call])
        state["messages"] = [*state["messages"], response]
        state["accepted"] = {str(call["id"]): service}
        of_tool = labels_of(outer.service, outer.tool)
        state["read"] = joined(joined(state.get("read"), of_tool), update.get("read", {}))
        visit = outer.visit._replace(state=state)
        verdict = await gate.verdict(pending_call(visit, call, service), visit.caller)
        is_read = gate.services[service].policy(call["name"]).effect is Effect.READ
        changes = outer.only_reads and not is_read
        if changes or not isinstance(verdict, Allow | Deny):
            update.setdefault("proposed", []).append(call)
            raise ToolException("not run yet: it is made after your answer, if the user agrees; say that")
        made = await self.step.nodes[service](visit)
        update["read"] = joined(update.get("read"), made.get("read", {}))
        update.setdefault("proposed", []).extend(made.get("proposed", []))
        [result] = made["messages"]
        if result.status == "error":
            raise ToolException(str(result.text))
        return str(result.text)

    def _report(self, tool: str = "") -> None:
        """Holds off the time limits of the call. Raises `RuntimeError` after its end."""
        if self.ended:
            raise RuntimeError("the model is lent for the time of a call, and so are the tools")
        progress(None, tool)
