"""A call of the state, with what identifies it for its approval."""

from langchain_core.messages import AIMessage, ToolCall
from langgraph.runtime import Runtime

from graph.approvals.pending_call import PendingCall
from graph.context import AgentContext, conversation_of
from graph.state import AgentState
from graph.tool_calls.requested_calls import latest_response
from identity.access_token.verified_access_token import VerifiedAccessToken


def pending_call(
    state: AgentState,
    call: ToolCall,
    service: str,
    caller: VerifiedAccessToken,
    runtime: Runtime[AgentContext],
) -> PendingCall:
    """`call`, one of the pending calls of `state`."""
    response = latest_response(state["messages"]) or AIMessage("")
    return PendingCall(call, service, response, caller.principal, conversation_of(runtime))
