"""Which calls of tools were begun, over all processes that may execute one run."""

import json
from typing import Final, Protocol

from langchain_core.messages import ToolCall
from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.state import AgentState
from graph.tool_calls.requested_calls import latest_response
from identity.principal import Principal

MAY_HAVE_EFFECT: Final = (
    "not run again: the run was interrupted during this call, which may already have taken effect; check "
    "that before you call again"
)


class BegunCalls(Protocol):
    """A record that outlives the process. A server that executes a run again after a failure supplies one."""

    async def begin(self, call: str) -> bool:
        """Whether `call` was not begun before. Atomic. Raises `UnavailableError`: the call is not made."""


def call_name(
    state: AgentState, call: ToolCall, principal: Principal, runtime: Runtime[AgentContext]
) -> str | None:
    """The name of a call in `BegunCalls`; `None` if the run is not saved, and so not executed again."""
    thread_id = runtime.execution_info.thread_id if runtime.execution_info is not None else None
    if thread_id is None:
        return None
    response = latest_response(state["messages"])
    answered = response.id if response is not None else None
    return json.dumps([thread_id, principal.issuer, principal.subject, answered, call["name"], call["id"]])
