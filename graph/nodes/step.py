"""Reports the nodes that a run visits, if its context requests that."""

from typing import Any

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime

from graph.callers import Node
from graph.context import AgentContext, note_raised, writer_of
from graph.events import StepEvent
from graph.state import AgentState
from identity.errors import AgentError


def reports_steps(runtime: Runtime[AgentContext]) -> bool:
    """Whether the events of the run name its nodes and messages."""
    context = runtime.context
    return isinstance(context, AgentContext) and context.steps


def as_step(name: str, node: Node) -> Node:
    """`node`, with an event before each visit and one after each visit that succeeds.

    What it raises is the run's own, and is in its context (`AgentContext.raised`).
    """

    async def reported(state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        if not reports_steps(runtime):
            return await node(state, runtime=runtime)
        write = writer_of(runtime)
        write(StepEvent(type="step_started", step=name))
        update = await node(state, runtime=runtime)
        write(StepEvent(type="step_finished", step=name))
        return update

    async def visited(state: AgentState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        raised: AgentError | GraphInterrupt
        try:
            return await reported(state, runtime)
        except AgentError as error:
            raised = error.again()  # several runs may have this one
        except GraphInterrupt as interrupt:
            raised = interrupt
        note_raised(runtime, raised)
        raise raised

    return visited
