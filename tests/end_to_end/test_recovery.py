"""Failures have the documented status and code, and the agent recovers without a restart.

A service that refuses every call causes few requests to IDaaS, and affects no other service or user.
"""

import asyncio

import pytest

from sandbox.faults.faults import Fault
from sandbox.state.directory import ENTERPRISE_AUDIENCE
from tests.running_agent import ENTERPRISE, GREETING, WEATHER

pytestmark = pytest.mark.promise("heals-by-itself")


RENEWAL_SECONDS, REFUSAL_SECONDS = 5, 2
"""Seconds: a younger credential is not renewed, and a refusal of IDaaS is cached."""
ISSUED = ("idaas:token.client_credentials", "idaas:token.token_exchange", "developer_api:ObtainCredential")


def codes(answer):
    """Of the calls that failed, and of the run."""
    failed = [event["error"] for event in answer.tool_events if not event.get("ok", True)]
    return failed + [chunk["error"]["code"] for chunk in answer.chunks if "error" in chunk]


async def test_a_hard_key_rotation_ends_old_tokens_and_admits_new_ones(start_agent, sandbox):
    agent = await start_agent()
    old = sandbox.access_token()
    assert (await agent.ask(GREETING, old)).status == 200
    sandbox.cloud.keys.rotate(overlap=False)
    assert (await agent.ask(GREETING, sandbox.access_token())).status == 200
    refused = await agent.ask(GREETING, old)
    assert (refused.status, refused.code) == (401, "access_token_invalid")


async def test_a_wrong_identifier_of_the_models_key_is_named_before_the_stream(start_agent, sandbox):
    agent = await start_agent(LLM_API_KEY_IDENTIFIER="no_such_key")
    answer = await agent.ask(GREETING, sandbox.access_token(), stream=True)
    assert (answer.status, answer.code) == (502, "llm_api_key_unavailable")
    assert "key for the language model" in answer.parsed["error"]["message"]


async def test_wrong_identifier_of_a_tools_key_fails_only_the_tool(start_agent, sandbox):
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


async def test_unavailable_map_server_fails_no_chat_without_maps(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    sandbox.cloud.faults.set("amap", Fault(status=503))
    assert (await agent.ask(GREETING, token)).status == 200
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text
    sandbox.cloud.faults.clear()
    assert (await agent.ask(WEATHER, token)).status == 200


async def test_warm_agent_continues_while_idaas_is_down(start_agent, sandbox):
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


async def test_the_model_receives_the_error_code_of_a_failing_enterprise_service(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    sandbox.cloud.faults.set("function_compute", Fault(status=500))
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    assert (answer.status, codes(answer)) == (200, ["enterprise_service_failed"])
    sandbox.cloud.faults.clear()
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text


async def test_endless_response_of_the_enterprise_service_is_aborted(start_agent, sandbox):
    agent = await start_agent(TOOL_TIMEOUT_SECONDS="0.5")
    token = sandbox.access_token()
    await agent.warm()
    sandbox.cloud.faults.set("function_compute", Fault(hang=True))
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    assert codes(answer) == ["enterprise_service_failed"]


async def test_revoked_model_key_is_replaced_within_the_same_request(start_agent, sandbox):
    agent = await start_agent()
    token = sandbox.access_token()
    await agent.ask(GREETING, token)
    sandbox.cloud.vault.rotate("llm_api_key", now=sandbox.clock.now)
    sandbox.clock.advance(RENEWAL_SECONDS)
    assert (await agent.ask(GREETING, token)).status == 200


async def test_a_trigger_with_an_old_jwks_has_its_own_code_until_the_jwks_is_updated(start_agent, sandbox):
    agent = await start_agent()
    sandbox.cloud.keys.rotate(overlap=False)
    token = sandbox.access_token()
    answer = await agent.ask(ENTERPRISE, token, stream=True)
    assert codes(answer) == ["enterprise_jwt_rejected"]
    sandbox.cloud.paste_jwks()
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text


async def test_key_rotations_under_load_fail_no_valid_request(start_agent, sandbox):
    agent = await start_agent(MAX_CONCURRENT_RUNS="0", MAX_REQUESTS_PER_MINUTE="0")
    await agent.warm()
    await agent.ask(GREETING, sandbox.access_token())
    sandbox.cloud.counters.reset()
    tokens, answers = [sandbox.access_token()], []
    for _ in range(3):
        sandbox.clock.advance(1)  # past the pause between two searches for unknown keys
        waiting = [asyncio.create_task(agent.ask(GREETING, token)) for token in tokens * 2]
        await asyncio.sleep(0)
        sandbox.cloud.keys.rotate(overlap=True)
        tokens.append(sandbox.access_token())
        waiting += [asyncio.create_task(agent.ask(GREETING, token)) for token in tokens * 5]
        answers += await asyncio.gather(*waiting)
    assert len(answers) == 57
    assert {answer.status for answer in answers} == {200}
    assert sandbox.cloud.counters.snapshot()["idaas:jwks"] <= 3


@pytest.mark.parametrize(("access_identity", "status"), [("Machine", 401), ("Human", 403)])
@pytest.mark.parametrize(
    ("question", "service"), [(ENTERPRISE, "function_compute"), (WEATHER, "amap")], ids=["enterprise", "maps"]
)
async def test_a_service_that_refuses_every_call_costs_one_renewal_in_five_seconds(
    start_agent, sandbox, access_identity, status, question, service
):
    agent, token = await start_agent(access_identity), sandbox.access_token()
    assert (await agent.ask(question, token)).status == 200
    sandbox.clock.advance(RENEWAL_SECONDS)
    sandbox.cloud.counters.reset()
    sandbox.cloud.faults.set(service, Fault(status=status))
    for _ in range(5):
        assert (await agent.ask(question, token)).status == 200
    counted = sandbox.cloud.counters.snapshot()
    assert sum(counted.get(name, 0) for name in ISSUED) == 1, counted
    assert counted[f"{service}:fault"] <= 6, "only a renewed credential is worth a second request"
    sandbox.cloud.faults.clear()
    answer = await agent.ask(question, token, stream=True)
    assert any(event["type"] == "tool_finished" and event["ok"] for event in answer.tool_events)


async def test_refused_permission_is_requested_once_and_works_two_seconds_after_it_is_restored(
    start_agent, sandbox
):
    grant = ("app_agent01", ENTERPRISE_AUDIENCE, "service.invoke")
    sandbox.cloud.directory.revoke(*grant)
    agent, token = await start_agent(), sandbox.access_token()
    await agent.ask(GREETING, token)
    sandbox.clock.advance(REFUSAL_SECONDS)
    sandbox.cloud.counters.reset()
    for _ in range(5):
        answer = await agent.ask(ENTERPRISE, token, stream=True)
        assert codes(answer) == ["machine_token_failed"]
    assert sandbox.cloud.counters.snapshot()["idaas:token.client_credentials"] == 1
    sandbox.cloud.directory.machine.add(grant)
    sandbox.clock.advance(REFUSAL_SECONDS)
    assert "app_agent01" in (await agent.ask(ENTERPRISE, token)).text


KEY, TOKEN = "developer_api:ObtainCredential", "idaas:token.client_credentials"
CREDENTIALS = {
    "the model's key": ("model_studio", ENTERPRISE, KEY, "model_call_failed", "llm_api_key_unavailable"),
    "Amap's key": ("amap", WEATHER, KEY, "external_service_failed", "external_api_key_unavailable"),
    "AT_s": ("function_compute", ENTERPRISE, TOKEN, "enterprise_service_failed", "machine_token_failed"),
}


KEPT_AS = {"model_studio": "llm_api_key", "amap": "amap_api_key"}
"""The identifier of each service's API key."""


@pytest.mark.parametrize("fate", ["replaced", "refused again", "withdrawn"])
@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_a_credential_revoked_in_mid_run_is_obtained_once_more_and_then_reported(
    start_agent, sandbox, credential, fate
):
    service, question, obtained, refused_again, withdrawn = CREDENTIALS[credential]
    agent, token = await start_agent(), sandbox.access_token()
    await agent.warm()
    await agent.ask(question, token)
    sandbox.clock.advance(RENEWAL_SECONDS)
    sandbox.cloud.counters.reset()
    if fate == "replaced" and obtained == KEY:  # an equal key would not be sent again
        sandbox.cloud.vault.rotate(KEPT_AS[service], now=sandbox.clock.now)
    else:
        times = None if fate == "refused again" else 1
        revoked = Fault(status=401, times=times, after=1, after_service="model_studio")
        sandbox.cloud.faults.set(service, revoked)
    if fate == "withdrawn":
        sandbox.cloud.vault.find("llm_api_key").readers.clear()
        sandbox.cloud.vault.find("amap_api_key").readers.clear()
        sandbox.cloud.directory.revoke("app_agent01", ENTERPRISE_AUDIENCE, "service.invoke")
    answer = await agent.ask(question, token, stream=True)
    expected = {"replaced": [], "refused again": [refused_again], "withdrawn": [withdrawn]}
    assert (answer.status, codes(answer)) == (200, expected[fate])
    assert sandbox.cloud.counters.snapshot()[obtained] == 1


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_young_credential_that_is_refused_is_neither_renewed_nor_resent(
    start_agent, sandbox, credential
):
    service, question, obtained, refused_again, _ = CREDENTIALS[credential]
    agent, token = await start_agent(), sandbox.access_token()
    await agent.warm()
    await agent.ask(question, token)
    sandbox.cloud.counters.reset()
    sandbox.cloud.faults.set(service, Fault(status=401, after=1, after_service="model_studio"))
    answer = await agent.ask(question, token, stream=True)
    counted = sandbox.cloud.counters.snapshot()
    assert codes(answer) == [refused_again]
    assert obtained not in counted
    assert counted[f"{service}:fault"] == 1
