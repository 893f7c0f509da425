"""Where a run goes after a node.

LangGraph runs these functions in a thread. As coroutines they make a chat a third slower.
"""

from collections.abc import Container, Sequence
from typing import Final

from langchain_core.messages import ToolMessage
from langgraph.graph import END

from graph.approvals.gate import ApprovalGate
from graph.credentials.run_credentials import in_state
from graph.error_codes import MODEL
from graph.state import AgentState
from graph.tool_calls.requested_calls import accepted_calls, asked_calls, called_services

CREDENTIALS: Final = "credentials"
APPROVALS: Final = "approvals"


class Routes:
    """The routes of one graph, which has a node for each of `services`.

    After the model, `approvals` is next if the policy of a call asks or denies, then a service's node if the
    service's credential is known, otherwise `credentials`. Before a question, too, the credential is
    obtained. A run without such calls, and with known credentials, has no additional step.
    """

    def __init__(self, services: Sequence[str], requirements: Container[str], gate: ApprovalGate) -> None:
        self._services = services
        self._requirements = requirements
        self._gate = gate

    def after_credentials(self, state: AgentState) -> list[str]:
        """The services that are called, all in one step, or `approvals`, which waited for their credentials;
        the model if no call is pending. `credentials` again after an answer to the question for a consent.
        """
        if state.get("consenting"):
            return [CREDENTIALS]
        called = called_services(state)
        if called and state.get("asking"):
            return [APPROVALS]
        return [name for name in self._services if name in called] or [MODEL]

    def after_model(self, state: AgentState) -> list[str]:
        """`approvals`, if the policy of a call does not allow it without a decision, or if it could
        carry elsewhere what the conversation has read; also if a server has asked its user.
        """
        if asked_calls(state):
            return [APPROVALS]
        read = state.get("read") or {}
        decides = any(
            service in self._gate.services and self._gate.decides(call, service, read)
            for call, service in accepted_calls(state)
        )
        return [APPROVALS] if decides else self._after_calls(state)

    def after_approvals(self, state: AgentState) -> list[str]:
        """`approvals` again after each decision, until none is missing; `credentials` before a question."""
        if not state.get("asking"):
            return self._after_calls(state)
        return [CREDENTIALS] if self._lacks_credential(state) else [APPROVALS]

    def _after_calls(self, state: AgentState) -> list[str]:
        """The services that are called, all in one step, or `credentials` if the credential of one is not
        known; the model again if all calls were refused.
        """
        called = called_services(state)
        if nodes := [name for name in self._services if name in called]:
            return [CREDENTIALS] if self._lacks_credential(state) else nodes
        return [MODEL] if isinstance(state["messages"][-1], ToolMessage) else [END]

    def _lacks_credential(self, state: AgentState) -> bool:
        """Whether the credential of a called service is not known."""
        credentials = in_state(state)
        return any(
            name in self._requirements and credentials.get(name) is None for name in called_services(state)
        )
