"""The node of a service: runs the calls that the model made of its tools, concurrently and within limits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.messages import ToolMessage

from graph.approvals.pending_call import pending_call
from graph.call_steps.budget import CallBudget
from graph.call_steps.call import Call, CallStep, in_steps
from graph.call_steps.consent import repeat_after_consent
from graph.call_steps.fence import FenceStep, RunFence
from graph.call_steps.labels import add_labels
from graph.call_steps.once import BegunCalls, OnceStep
from graph.call_steps.permission import PermissionStep
from graph.call_steps.question import QuestionStep
from graph.call_steps.recorded_call import RecordedCall
from graph.call_steps.refusals import RefusalStep
from graph.call_steps.stops import Stops
from graph.callers import Visit
from graph.nodes.call_hooks import CallHooksStep
from graph.nodes.model import ModelNode
from graph.tool_calls.requested_calls import accepted_calls, asked_calls
from tools.service import Service


@dataclass(frozen=True, slots=True)
class ServiceNode:
    """Runs the accepted calls of one service, each through its `steps`.

    Every call gets a result for the model, unless its server asks its user first. Raises `AuditError` if a
    call cannot be recorded, and `UnavailableError` if its approval cannot be read.
    """

    service: Service
    model: ModelNode
    steps: Callable[[Call], Awaitable[ToolMessage]]

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The results of the calls, what else the calls change of the state, and a credential that was
        renewed.
        """
        state, caller, _ = visit
        name = self.service.name
        credential = self.model.service_credentials.of(caller, name, state)
        update: dict[str, Any] = {}
        asked = asked_calls(state)
        calls = [
            Call(
                pending=pending_call(visit, call, name),
                visit=visit,
                service=self.service,
                credential=credential,
                update=update,
                goes_on=str(call["id"]) in asked,
            )
            for call, service in accepted_calls(state)
            if service == name
        ]
        outcomes = await asyncio.gather(*map(self.steps, calls), return_exceptions=True)
        messages: list[ToolMessage] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            if not update.get("questions", {}).get(outcome.tool_call_id):
                messages.append(outcome)
        update |= {"messages": messages, "credentials": credential.update}
        return {key: value for key, value in update.items() if value}


def service_nodes(
    services: Sequence[Service],
    model: ModelNode,
    *,
    calls: int,
    begun_calls: BegunCalls | None = None,
    fence: RunFence | None = None,
    stops: Stops | None = None,
) -> Mapping[str, ServiceNode]:
    """The nodes of `services` by their names. A run may make so many `calls`, of all of them. The limits of
    `model` bound the time of each.
    """
    gate = model.gate
    records = model.records
    budget = CallBudget(calls)
    refusals = RefusalStep(records)
    fence_step = None if fence is None else FenceStep(fence)
    fences = [] if fence_step is None else [fence_step]
    steps: list[CallStep] = [
        budget,
        CallHooksStep(model, budget, refusals),
        PermissionStep(gate),
        QuestionStep(gate),
        repeat_after_consent,
        *fences,
        OnceStep(begun_calls),
        add_labels,
    ]
    make = RecordedCall(records, model.limits.tool_seconds, fence_step, stops)
    recorded = partial(refusals, proceed=in_steps(steps, make))
    return {service.name: ServiceNode(service, model, recorded) for service in services}
