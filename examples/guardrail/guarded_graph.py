"""The agent's graph, with a guardrail before and a notice after it."""

from langgraph.graph import END

from idaas_agent import AgentState, GraphParts, build_graph

REFUSAL = "I only speak about your own salary."
NOTICE = "Ask HR before you rely on this."


class State(AgentState, total=False):
    """The agent's state, and one key of this graph."""

    refused: bool


async def guardrail(state: State):
    """Ends the run before the model reads the question."""
    refused = "salary of" in state["messages"][-1].text.lower()
    return {"refused": refused, **({"messages": ("ai", REFUSAL)} if refused else {})}


async def notice(state: State):
    """Follows an answer about money."""
    return {"messages": ("ai", NOTICE)} if "yuan" in state["messages"][-1].text else {}


def build(parts: GraphParts):
    """What `GRAPH` names."""
    graph = build_graph(parts, State, first="guardrail", last="notice")
    graph.add_node("guardrail", guardrail)
    graph.add_conditional_edges("guardrail", lambda state: END if state["refused"] else "credentials")
    graph.add_node("notice", notice)
    graph.add_edge("notice", END)
    return graph
