"""The node of a service: runs the calls that the model made of its tools, concurrently."""

import asyncio
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.runtime import Runtime

from graph.approvals.gate import ApprovalGate, Refused
from graph.approvals.pending_call import pending_call
from graph.begun_calls import MAY_HAVE_EFFECT, BegunCalls, call_name
from graph.context import AgentContext, begun_calls, writer_of, writer_of_consents
from graph.credentials.run_credentials import RunCredentials
from graph.credentials.service_credentials import ServiceCredentials, secrets_of
from graph.state import AgentState
from graph.tool_calls.call_budget import CallBudget
from graph.tool_calls.requested_calls import accepted_calls
from graph.tool_calls.tool_call_runner import ToolCallRunner
from graph.tool_calls.tool_step import StepRun, ToolSteps
from identity.access_token.verified_access_token import VerifiedAccessToken
from tools.approval_policy import Effect
from tools.service import Service


class ServiceNode:
    """Runs the accepted calls of one service that their policy or an approval permits, within the budget.

    Every call gets a result for the model. Raises `AuditError` if a call cannot be recorded, and
    `UnavailableError` if its approval cannot be read.
    """

    def __init__(
        self,
        service: Service,
        service_credentials: ServiceCredentials,
        budget: CallBudget,
        seconds: float,
        steps: ToolSteps,
        gate: ApprovalGate,
        *,
        begun_calls: BegunCalls | None = None,
    ) -> None:
        """`seconds` bounds the time of each call.

        With `begun_calls`, calls that change something begin once.
        """
        self._name = service.name
        self._service = service
        self._begun_calls = begun_calls
        self._service_credentials = service_credentials
        self._budget = budget
        self._steps = steps
        self._gate = gate
        self._runner = ToolCallRunner(service, seconds)

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The results of the calls, and a credential that was renewed."""
        waiting = [call for call, service in accepted_calls(state) if service == self._name]
        taken = self._budget.take(runtime, len(waiting))
        credential = self._service_credentials.of(caller, self._name, state)
        secrets, consents = secrets_of(state, caller), writer_of_consents(runtime)
        of_run, begun = StepRun(caller, writer_of(runtime), secrets, consents), begun_calls(runtime)

        async def run(call: ToolCall) -> ToolMessage:
            verdict = await self._gate.permit(pending_call(state, call, self._name, caller, runtime))
            if isinstance(verdict, Refused):
                return await refuse(call, verdict)
            if not await self._begin(state, call, caller, runtime):
                return await refuse(call, Refused(MAY_HAVE_EFFECT, verdict.approval))
            begun.add(str(call["id"]))
            step = self._steps.step(call, self._name, of_run, verdict.approval)
            return await step.made(lambda: self._runner.run(call, credential))

        async def refuse(call: ToolCall, refused: Refused) -> ToolMessage:
            return await self._steps.step(call, self._name, of_run, refused.approval).refused(refused.reason)

        results = await asyncio.gather(*map(run, waiting[:taken]), return_exceptions=True)
        messages: list[ToolMessage] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            messages.append(result)
        limit = Refused(f"not run: at most {self._budget.calls} tools may be called in one run")
        update: dict[str, Any] = {
            "messages": [*messages, *[await refuse(call, limit) for call in waiting[taken:]]]
        }
        if credential.renewed:
            update["credentials"] = RunCredentials({self._name: credential.renewed})
        return update

    async def _begin(
        self, state: AgentState, call: ToolCall, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> bool:
        """False for a call that was begun before and may have changed something."""
        if self._begun_calls is None or self._service.policy(call["name"]).effect is Effect.READ:
            return True
        name = call_name(state, call, caller.principal, runtime)
        return name is None or await self._begun_calls.begin(name)
