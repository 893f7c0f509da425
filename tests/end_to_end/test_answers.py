"""The sample questions are answered, and the services report on whose behalf they were called."""

import pytest

from tests.running_agent import LEAVE


async def test_tool_may_declare_human_identity_in_an_agent_under_machine_identity(start_agent, sandbox):
    agent = await start_agent("Machine")
    answer = await agent.ask(LEAVE, sandbox.access_token("alice"), stream=True)
    finished = [event for event in answer.tool_events if event["type"] == "tool_finished"]
    assert [(event["service"], event["access_identity"], event["ok"]) for event in finished] == [
        ("leave", "Human", True)
    ]


@pytest.mark.promise("human-stays-human")
@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
async def test_user_without_the_permission_is_refused_and_machine_identity_is_not_used(
    start_agent, sandbox, access_identity
):
    agent = await start_agent(access_identity)
    answer = await agent.ask(LEAVE, sandbox.access_token("bob"), stream=True)
    (finished,) = [event for event in answer.tool_events if event["type"] == "tool_finished"]
    assert (finished["ok"], finished["error"]) == (False, "token_exchange_failed")
    assert "function_compute:leave" not in sandbox.cloud.counters.snapshot()
