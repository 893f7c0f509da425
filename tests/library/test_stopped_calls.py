"""An operator stops calls of an application: its governed tools refuse them."""

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import ToolNode

from graph.call_steps.stops import Stops
from idaas_agent import Identity
from idaas_agent.library.app_tool import governed_tool
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from tests.library.called_app import CalledApp, MemoryIdentity, call, in_a_graph, results
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("stopped-refused")


@pytest.mark.parametrize("stopped", [True, False])
async def test_stopped_tool_of_an_application_is_not_called(stopped: bool) -> None:
    sent: list[str] = []

    async def send(to: str) -> str:
        """Sends a mail."""
        sent.append(to)
        return "sent"

    revocations = RevocationList()
    identity = MemoryIdentity()
    identity.known_calls.stops = Stops(revocations, lambda: 1000.0)
    if stopped:
        revocations.apply(Revocation(Target.CALLS_OF_TOOL, "send", Origin.OPERATOR, STOPPED, 1000.0))
    policy = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)
    node = ToolNode([governed_tool(identity, send, policy)])
    app = CalledApp(identity, in_a_graph(node, InMemorySaver()))
    status, text = results(await app.ask(call("send", "call_1", to="ann")))["call_1"]
    assert (status, sent) == (("error", []) if stopped else ("success", ["ann"]))
    assert ("an operator stopped the tool send" in text) is stopped


def test_identity_knows_the_stops_of_the_revocations_that_it_follows(variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables)
    stops = identity.known_calls.stops
    assert stops is not None
    identity.revocations.apply(Revocation(Target.ALL_CALLS, "", Origin.OPERATOR, STOPPED, identity.clock()))
    assert stops.decides({"name": "send", "args": {}, "id": "call_1"}, "app", {})
