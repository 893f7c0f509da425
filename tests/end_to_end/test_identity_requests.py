"""The number of requests to IDaaS, counted by the sandbox."""

import asyncio
import json

import pytest

from tests.running_agent import ENTERPRISE, GREETING, LEAVE, WEATHER

IDAAS = ("idaas:", "developer_api:")


def identity_requests(counters):
    return {name: count for name, count in counters.snapshot().items() if name.startswith(IDAAS)}


@pytest.mark.promise("fetched-once")
@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
async def test_a_warm_chat_makes_no_identity_request_and_a_tool_call_one_request(
    start_agent, sandbox, access_identity
):
    agent = await start_agent(access_identity)
    token = sandbox.access_token()
    await agent.warm()
    await agent.ask(WEATHER, token)
    await agent.ask(ENTERPRISE, token)
    sandbox.cloud.counters.reset()
    await agent.ask(WEATHER, token)
    await agent.ask(ENTERPRISE, token, stream=True)
    counted = sandbox.cloud.counters.snapshot()
    assert identity_requests(sandbox.cloud.counters) == {}
    assert {name: count for name, count in counted.items() if name.startswith("amap:")} == {
        "amap:tools/call": 1
    }
    assert counted["function_compute:enterprise"] == 1


@pytest.mark.promise("fetched-once")
async def test_thirty_first_chats_in_machine_identity_fetch_each_credential_once(start_agent, sandbox):
    agent = await start_agent(
        "Machine", LEAVE_SERVICE_URL="", LEAVE_SERVICE_SCOPE="", MAX_CONCURRENT_RUNS="0"
    )
    tokens = [sandbox.access_token("alice", jti=f"token-{number}") for number in range(30)]
    answers = await asyncio.gather(*(agent.ask(GREETING, token) for token in tokens))
    assert {answer.status for answer in answers} == {200}
    assert identity_requests(sandbox.cloud.counters) == {
        "idaas:jwks": 1,
        "idaas:token.client_credentials": 2,  # for PAM and for the enterprise service
        "developer_api:ObtainCredential": 2,  # the model's key and the map service's
    }


@pytest.mark.promise("fetched-once")
async def test_thirty_first_chats_of_one_user_in_human_identity_fetch_each_credential_once(
    start_agent, sandbox
):
    agent = await start_agent("Human", MAX_CONCURRENT_RUNS="0")
    token = sandbox.access_token("alice")
    answers = await asyncio.gather(*(agent.ask(GREETING, token) for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert identity_requests(sandbox.cloud.counters) == {
        "idaas:jwks": 1,
        "idaas:token.token_exchange": 1,  # for PAM
        "developer_api:ObtainCredential": 2,  # the model's key and the map service's
    }


@pytest.mark.promise("fetched-once")
async def test_greeting_of_a_new_user_requests_no_token_of_a_service(start_agent, sandbox, tmp_path):
    """Bob may not use the leave service: a request for its token would be recorded as a refusal."""
    audit = tmp_path / "audit.jsonl"
    agent = await start_agent("Human", AUDIT_LOG_FILE=str(audit), AUDIT_REQUIRED="true")
    token = sandbox.access_token("bob")
    assert (await agent.ask(GREETING, token)).status == 200
    assert identity_requests(sandbox.cloud.counters) == {
        "idaas:jwks": 1,
        "idaas:token.token_exchange": 1,  # for PAM
        "developer_api:ObtainCredential": 2,  # the model's key and the map service's
    }
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    assert {record["outcome"] for record in records} == {"succeeded"}
    assert not [record for record in records if "enterprise" in str(record) or "leave" in str(record)]
    sandbox.cloud.counters.reset()
    assert (await agent.ask(LEAVE, token)).status == 200
    assert identity_requests(sandbox.cloud.counters).keys() <= {
        "idaas:token.token_exchange", "idaas:token.refused",
    }  # fmt: skip
    outcomes = [json.loads(line)["outcome"] for line in audit.read_text().splitlines()[len(records) :]]
    assert "refused" in outcomes


@pytest.mark.promise("fetched-once")
async def test_credential_of_a_service_is_requested_when_the_service_is_called(start_agent, sandbox):
    agent = await start_agent("Human")
    token = sandbox.access_token("alice")
    await agent.ask(GREETING, token)
    sandbox.cloud.counters.reset()
    assert "alice" in (await agent.ask(ENTERPRISE, token)).text
    assert identity_requests(sandbox.cloud.counters) == {"idaas:token.token_exchange": 1}


@pytest.mark.promise("never-expired")
@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
async def test_with_tokens_of_sixty_seconds_no_expired_credential_is_presented_in_five_minutes(
    start_agent, sandbox, access_identity
):
    sandbox.cloud.settings.access_token_lifetime = 60
    agent = await start_agent(access_identity)
    for second in range(0, 300, 15):
        # The user signs in again when their token is about to expire, as the page does.
        if second % 30 == 0:
            token = sandbox.access_token(lifetime=60)
        answer = await agent.ask((WEATHER, ENTERPRISE)[second // 15 % 2], token)
        assert answer.status == 200
        assert "fail" not in answer.text.lower()
        sandbox.clock.advance(15)
    counted = sandbox.cloud.counters.snapshot()
    assert [name for name in counted if name.endswith(":expired_credential")] == []
    assert counted["function_compute:enterprise"] == 10
    assert counted["amap:tools/call"] == 10


@pytest.mark.promise("users-never-cross")
async def test_concurrent_users_are_each_served_under_their_own_identity(start_agent, sandbox):
    agent = await start_agent("Human", MAX_CONCURRENT_RUNS="0")
    tokens = {user: sandbox.access_token(user) for user in ("alice", "bob")}
    users = ["alice", "bob"] * 6
    answers = await asyncio.gather(*(agent.ask(ENTERPRISE, tokens[user]) for user in users))
    for user, answer in zip(users, answers, strict=True):
        other = {"alice": "bob", "bob": "alice"}[user]
        assert user in answer.text
        assert other not in answer.text
