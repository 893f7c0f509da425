"""The node `authenticate`: the run's caller is verified, and recorded without the token."""

from typing import Any

from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.nodes.caller import Callers, principal_record
from graph.state import AgentState


class AuthenticateNode:
    """Begins a run. Raises `AccessTokenError`, and the run ends before anything was asked of anybody."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:  # noqa: ARG002 - LangGraph's shape of a node
        caller = await self._callers.of(runtime)
        return {"principal": principal_record(caller), "rounds": 0, "accepted": {}}
