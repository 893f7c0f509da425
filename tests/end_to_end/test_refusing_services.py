"""A service that refuses every call causes few requests to IDaaS, and affects no other service or user."""

import pytest

from sandbox.faults.faults import Fault
from tests.running_agent import ENTERPRISE, WEATHER

pytestmark = pytest.mark.promise("heals-by-itself")

ISSUED = ("idaas:token.client_credentials", "idaas:token.token_exchange", "developer_api:ObtainCredential")


@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("question", [ENTERPRISE, WEATHER])
async def test_credentials_are_renewed_once_for_many_refused_calls(
    start_agent, sandbox, access_identity, status, question
):
    agent = await start_agent(access_identity)
    token = sandbox.access_token()
    assert (await agent.ask(question, token)).status == 200
    sandbox.clock.advance(10)  # what was issued is no longer too young to be renewed
    service = "amap" if question is WEATHER else "function_compute"
    sandbox.cloud.faults.set(service, Fault(status=status))
    sandbox.cloud.counters.reset()
    for _ in range(10):
        assert (await agent.ask(question, token, stream=True)).status == 200
    counted = sandbox.cloud.counters.snapshot()
    assert 1 <= sum(counted.get(name, 0) for name in ISSUED) <= 2, counted
    sandbox.cloud.faults.clear()
    answer = await agent.ask(question, token, stream=True)
    assert any(event["type"] == "tool_finished" and event["ok"] for event in answer.tool_events)
