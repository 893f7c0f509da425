"""The node of a service: runs the calls that the model made of its tools, concurrently."""

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.nodes.call_budget import CallBudget
from graph.nodes.refused_calls import RefusedCalls
from graph.nodes.tool_call import ToolCallRunner
from graph.observed_calls import ObservedCalls
from graph.run_credentials import RunCredentials
from graph.service_credentials import ServiceCredentials, secrets_of
from graph.state import AgentState
from graph.tool_calls import accepted_calls, refusal
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from tools.service import Service


class ServiceNode:
    """Runs the accepted calls of one service, within the run's budget.

    Every call gets a result for the model. Raises `AuditError` if a call cannot be recorded.
    """

    def __init__(
        self,
        service: Service,
        service_credentials: ServiceCredentials,
        budget: CallBudget,
        seconds: float,
        audit: AuditTrail,
        refused_calls: RefusedCalls,
        calls: ObservedCalls,
    ) -> None:
        """`seconds` bounds the time of each call."""
        self._name = service.name
        self._service_credentials = service_credentials
        self._budget = budget
        self._refused_calls = refused_calls
        requirement = service_credentials.requirements.get(service.name)
        self._runner = ToolCallRunner(service, requirement, seconds, audit, calls)

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The results of the calls, and a credential that was renewed."""
        waiting = [call for call, service in accepted_calls(state) if service == self._name]
        taken = self._budget.take(runtime, len(waiting))
        credential = self._service_credentials.of(caller, self._name, state)
        secrets, writer = secrets_of(state, caller), runtime.stream_writer
        runs = (self._runner.run(call, caller, credential, writer, secrets) for call in waiting[:taken])
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        limit = f"not run: at most {self._budget.calls} tools may be called in one run"
        refused = waiting[taken:]
        for call in refused:
            await self._refused_calls.report(call, limit, self._name, caller, writer, secrets)
        update: dict[str, Any] = {"messages": [*results, *(refusal(call, limit) for call in refused)]}
        if credential.renewed:
            update["credentials"] = RunCredentials({self._name: credential.renewed})
        return update
