"""The agent's graph: a guardrail that refuses, and a router that instructs, before the agent's own nodes."""

from langgraph.graph import END
from langgraph.runtime import Runtime

from idaas_agent import AgentState, GraphParts, NodeContext, build_graph

SALARY_OF_OTHERS = "salary of"
INSTRUCTIONS = {"finance": "You help the finance department. Show sums with two decimals."}


class State(AgentState, total=False):
    """The agent's state, and one key of this graph."""

    refused: bool


async def guardrail(state: State):
    """Ends the run before the model reads the question."""
    if SALARY_OF_OTHERS in state["messages"][-1].text.lower():
        return {"refused": True, "messages": ("ai", "I only speak about your own salary.")}
    return {"refused": False}


async def router(state: State, runtime: Runtime[NodeContext]):
    """Gives the model the instructions of the caller's group."""
    groups = runtime.context.caller.groups
    return {"instructions": next((text for group, text in INSTRUCTIONS.items() if group in groups), "")}


def build(parts: GraphParts):
    """What `GRAPH` names."""
    graph = build_graph(parts, State, first="guardrail")
    graph.add_node("guardrail", guardrail)
    graph.add_node("router", router)
    graph.add_conditional_edges("guardrail", lambda state: END if state["refused"] else "router")
    graph.add_edge("router", "credentials")
    return graph
