"""The graph that `aegra.json` names. Aegra loads this file as a module of its own."""

from typing import Any

from langgraph.pregel import Pregel

from agent.api.langgraph.aegra.continued_graph import ContinuedGraph
from agent.api.langgraph.server_agent import server_agent


async def agent() -> Pregel[Any, Any, Any, Any]:
    """The graph of the agent. Aegra calls this once, and gives the graph its checkpointer for each run."""
    return ContinuedGraph.of((await server_agent()).graph)
