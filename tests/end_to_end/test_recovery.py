"""What goes wrong has the contract's status and code, and mends without a restart."""

import pytest

from sandbox.faults import Fault
from tests.end_to_end.conftest import ENTERPRISE, GREETING, WEATHER

pytestmark = pytest.mark.promise("heals-by-itself")


async def test_a_key_rotation_is_noticed(start_agent, sandbox):
    agent = await start_agent()
    assert (await agent.ask(GREETING, sandbox.access_token())).status == 200
    sandbox.cloud.keys.rotate(overlap=True)
    assert (await agent.ask(GREETING, sandbox.access_token())).status == 200


async def test_a_hard_key_rotation_ends_old_tokens_and_admits_new_ones(start_agent, sandbox):
    agent = await start_agent()
    old = sandbox.access_token()
    assert (await agent.ask(GREETING, old)).status == 200
    sandbox.cloud.keys.rotate(overlap=False)
    assert (await agent.ask(GREETING, sandbox.access_token())).status == 200
    refused = await agent.ask(GREETING, old)
    assert (refused.status, refused.code) == (401, "access_token_invalid")


@pytest.mark.parametrize(
    ("token", "status", "code", "challenge"),
    [
        ({"lifetime": -60}, 401, "access_token_invalid", "invalid_token"),
        ({"audience": "https://other.example"}, 401, "access_token_invalid", "invalid_token"),
        ({"permissions": ("other.access",)}, 403, "insufficient_scope", "insufficient_scope"),
    ],
    ids=["expired", "another audience", "missing scope"],
)
async def test_an_unfit_access_token_is_refused_before_anything_else(
    start_agent, sandbox, token, status, code, challenge
):
    agent = await start_agent()
    answer = await agent.ask(GREETING, sandbox.access_token(**token), stream=True)
    assert (answer.status, answer.code) == (status, code)
    assert f'error="{challenge}"' in answer.headers["WWW-Authenticate"]
    assert "model_studio:chat.completions" not in sandbox.cloud.counters.snapshot()


async def test_a_wrong_identifier_of_the_models_key_is_named_before_the_stream(start_agent, sandbox):
    agent = await start_agent(LLM_API_KEY_IDENTIFIER="no_such_key")
    answer = await agent.ask(GREETING, sandbox.access_token(), stream=True)
    assert (answer.status, answer.code) == (502, "llm_api_key_unavailable")
    assert "LLM_API_KEY_IDENTIFIER" in answer.parsed["error"]["remedy"]


async def test_a_wrong_identifier_of_a_tools_key_fails_the_tool_alone(start_agent, sandbox):
    agent = await start_agent(EXTERNAL_SERVER_API_KEY_IDENTIFIER="no_such_key")
    assert (await agent.ask(GREETING, sandbox.access_token())).status == 200
    assert (await agent.ask(ENTERPRISE, sandbox.access_token())).status == 200


async def test_an_agent_that_starts_while_idaas_is_down_recovers_when_it_is_back(start_agent, sandbox):
    for service in ("idaas.token", "idaas.jwks", "developer_api"):
        sandbox.cloud.faults.set(service, Fault(status=503))
    agent = await start_agent()
    token = sandbox.access_token()
    assert (await agent.ready()).status_code == 503
    answer = await agent.ask(GREETING, token)
    assert (answer.status, answer.code) == (503, "jwks_unavailable")
    sandbox.cloud.faults.clear()
    assert (await agent.ask(WEATHER, token)).status == 200


async def test_a_warm_agent_goes_on_while_idaas_is_down(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    await agent.warm()
    await agent.ask(ENTERPRISE, token)
    for service in ("idaas.token", "idaas.jwks", "developer_api"):
        sandbox.cloud.faults.set(service, Fault(drop=True))
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text
    assert (await agent.ask(WEATHER, token)).status == 200


async def test_a_restart_of_the_mcp_server_is_survived(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    await agent.ask(WEATHER, token)
    sandbox.cloud.restart("amap")
    answer = await agent.ask(WEATHER, token, stream=True)
    assert [event["ok"] for event in answer.tool_events if event["type"] == "tool_finished"] == [True]


async def test_a_failing_enterprise_service_is_told_to_the_model_with_its_code(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    sandbox.cloud.faults.set("function_compute", Fault(status=500))
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    (finished,) = [event for event in answer.tool_events if event["type"] == "tool_finished"]
    assert (answer.status, finished["ok"], finished["error"]) == (200, False, "enterprise_service_failed")
    sandbox.cloud.faults.clear()
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text


async def test_an_enterprise_service_that_does_not_end_its_answer_is_given_up(start_agent, sandbox):
    agent = await start_agent(TOOL_TIMEOUT_SECONDS="0.5")
    token = sandbox.access_token()
    await agent.warm()
    sandbox.cloud.faults.set("function_compute", Fault(hang=True))
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    (finished,) = [event for event in answer.tool_events if event["type"] == "tool_finished"]
    assert (finished["ok"], finished["error"]) == (False, "enterprise_service_failed")


async def test_a_revoked_models_key_is_fetched_anew_within_the_same_request(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    await agent.ask(GREETING, token)
    sandbox.cloud.vault.rotate("llm_api_key", now=sandbox.clock.now)
    assert (await agent.ask(GREETING, token)).status == 200


async def test_a_trigger_with_an_old_jwks_is_told_apart_until_somebody_pastes_the_new_one(
    start_agent, sandbox
):
    agent = await start_agent()
    sandbox.cloud.keys.rotate(overlap=False)
    token = sandbox.access_token()
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    (finished,) = [event for event in answer.tool_events if event["type"] == "tool_finished"]
    assert finished["error"] == "enterprise_jwt_rejected"
    sandbox.cloud.paste_jwks()
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text
