"""The node `authenticate`: begins a run for a verified caller."""

from typing import Any

from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.state import AgentState
from identity.access_token.verified_access_token import VerifiedAccessToken


class AuthenticateNode:
    """Resets what an earlier run on the thread left."""

    async def __call__(
        self,
        state: AgentState,  # noqa: ARG002 - the form of a node
        caller: VerifiedAccessToken,  # noqa: ARG002 - the same
        runtime: Runtime[AgentContext],  # noqa: ARG002 - the same
    ) -> dict[str, Any]:
        """The counters of a new run."""
        return {"rounds": 0, "accepted": {}}
