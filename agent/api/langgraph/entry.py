"""The entry for LangGraph Server and Studio (`langgraph.json`): the graph and the auth handler."""

from typing import Any

from langgraph.pregel import Pregel
from langgraph.stream import StreamTransformer

from agent.api.langgraph.authorization import auth
from agent.api.langgraph.server_agent import server_agent
from agent.api.langgraph.traced_graph import EventChannels

__all__ = ["agent", "auth", "stream_transformers"]


async def agent() -> Pregel[Any, Any, Any, Any]:
    """The graph. Nothing is read or opened before the server first requests it."""
    return (await server_agent()).graph


def stream_transformers() -> list[type[StreamTransformer]]:
    """The transformers of the event stream of a run. LangGraph Server finds this function by its name."""
    return [EventChannels]
