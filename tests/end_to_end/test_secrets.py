"""Canaries: the secrets of whole runs, looked for in everything that leaves the agent."""

import logging

import pytest

from sandbox.faults import Fault
from tests.end_to_end.conftest import ENTERPRISE, LEAVE, WEATHER

pytestmark = pytest.mark.promise("no-secret-leaves")

ANY_JWT = "eyJ"
"""Every JSON Web Token begins like this: finds access tokens that a test cannot know beforehand."""

LANGSERVE_ROUTES = ("invoke", "stream", "stream_log", "stream_events")


@pytest.fixture
def canaries(sandbox):
    secrets = sandbox.cloud.secrets
    return {
        "the model's API key": secrets.llm_api_key,
        "the map service's API key": secrets.amap_api_key,
        "the agent's client secret": secrets.agent_client_secret,
        "an access token": ANY_JWT,
    }


async def conversation_of_every_surface(agent, token):
    """What a client of each HTTP surface is answered, headers included."""
    seen = []
    for question in (WEATHER, ENTERPRISE, LEAVE):
        for stream in (False, True):
            answer = await agent.ask(question, token, stream=stream)
            seen.append(f"{answer.headers} {answer.body}")
        for route in LANGSERVE_ROUTES:
            response = await agent.http.post(
                f"{agent.origin}/agent/{route}",
                json={"input": {"messages": [{"role": "user", "content": question}]}},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert response.status_code == 200
            seen.append(f"{response.headers} {response.text}")
    return seen


@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
async def test_no_answer_log_line_or_prompt_holds_a_secret(
    start_agent, sandbox, canaries, caplog, access_identity
):
    caplog.set_level(logging.DEBUG)
    agent = await start_agent(access_identity)
    seen = await conversation_of_every_surface(agent, sandbox.access_token())
    seen += [repr(vars(record)) + record.getMessage() for record in caplog.records]
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert {"httpcore", "idaas_agent"} <= loggers, "the log lines were not seen"
    assert leaks(canaries, seen) == []
    assert "model_studio:credential_in_prompt" not in sandbox.cloud.counters.snapshot()


@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
@pytest.mark.parametrize(
    "service", ["idaas.token", "developer_api", "model_studio", "amap", "function_compute"]
)
@pytest.mark.parametrize(
    "fault", [Fault(status=401), Fault(drop=True), Fault(broken_body=True)], ids=lambda f: str(f)[:40]
)
async def test_no_failure_tells_a_secret(
    start_agent, sandbox, canaries, caplog, service, fault, access_identity
):
    caplog.set_level(logging.DEBUG)
    sandbox.cloud.faults.set(service, fault)
    agent = await start_agent(access_identity)
    token = sandbox.access_token()
    seen = []
    for question in (WEATHER, ENTERPRISE):
        answer = await agent.ask(question, token, stream=True)
        seen.append(f"{answer.headers} {answer.body}")
    seen.append((await agent.ready()).text)
    seen += [repr(vars(record)) + record.getMessage() for record in caplog.records]
    assert leaks(canaries, seen) == []


def leaks(canaries, seen):
    """Which secret stands where, without telling it."""
    return [
        f"{name}: …{text[max(0, at - 80) : at]}"
        for name, secret in canaries.items()
        for text in seen
        if (at := text.find(secret)) >= 0
    ]
