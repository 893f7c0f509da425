"""The node of a service: runs the calls that the model made of its tools, concurrently."""

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.nodes.call_budget import CallBudget
from graph.nodes.tool_call import ToolCallRunner
from graph.service_credentials import ServiceCredentials
from graph.state import AgentState
from graph.tool_calls import accepted_calls, refusal
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.credential import Credential
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
    ) -> None:
        """`seconds` bounds the time of each call."""
        self._name = service.name
        self._service_credentials = service_credentials
        self._budget = budget
        requirement = service_credentials.requirements.get(service.name)
        self._runner = ToolCallRunner(service, requirement, seconds, audit)

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The results of the calls, and a credential that was renewed."""
        waiting = [call for call, service in accepted_calls(state) if service == self._name]
        taken = self._budget.take(runtime, len(waiting))
        credential = self._service_credentials.of(caller, self._name, state)
        in_state = (state.get("credentials") or {}).values()
        secrets = [*(each.secret for each in in_state if isinstance(each, Credential)), caller.token]
        runs = (
            self._runner.run(call, caller, credential, runtime.stream_writer, secrets)
            for call in waiting[:taken]
        )
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        limit = f"not run: at most {self._budget.calls} tools may be called in one run"
        refusals = [refusal(call, limit) for call in waiting[taken:]]
        return {
            "messages": [*results, *refusals],
            "credentials": {self._name: credential.renewed} if credential.renewed else {},
        }
