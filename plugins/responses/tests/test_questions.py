"""A run that waits for something else than a yes to a call: a consent, the question of a server."""

import json
from typing import Any

import pytest

from plugins.responses.tests.test_text import PATH, events_of
from tests.agent.api.asking_bank import Bank
from tests.agent.api.asking_bank import bank as bank
from tests.agent.api.asking_bank import served as served
from tests.agent.api.threads.served_threads import Threads
from tests.end_to_end.test_credential_kinds import REPORT
from tests.end_to_end.test_credential_kinds import calendar as calendar
from tests.end_to_end.test_credential_kinds import declared as declared


def decided(approval_id: str, **more: Any) -> dict[str, Any]:
    item = {"type": "mcp_approval_response", "approval_request_id": approval_id, "approve": True}
    return item | more


async def ask(agent: Any, token: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    response = await agent.http.post(agent.origin + PATH, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response


async def test_response_waits_for_the_consent_of_its_user(start_agent, sandbox, calendar, tmp_path) -> None:
    cloud, alice = sandbox.cloud, sandbox.access_token("alice")
    variables = calendar("calendar") | {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    agent = await start_agent("Human", **variables)
    asked = (await ask(agent, alice, input=REPORT)).json()
    waits = asked["output"][-1]
    approval = waits["agent_event"]["approval"]
    (session,) = cloud.oauth_providers.sessions()
    url = f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}"
    assert (waits["type"], approval["kind"], approval["url"]) == ("message", "consent_required", url)
    text = waits["content"][0]["text"]
    assert session.session_id not in text  # a client may send it back, and a model reads it
    assert f"/#approval={approval['id']}" in text

    await agent.http.post(url, data={"decision": "allow"})
    goes_on = await ask(agent, alice, input=[decided(approval["id"])], previous_response_id=asked["id"])
    [call] = [item for item in goes_on.json()["output"] if item["type"] == "mcp_call"]
    assert call["status"] == "completed"


@pytest.mark.promise("no-secret-leaves")
async def test_address_of_a_consent_is_beside_the_output_without_conversations(
    start_agent, sandbox, calendar
) -> None:
    agent = await start_agent("Human", **calendar("calendar"), CONVERSATIONS_URL="none")
    events = events_of(await ask(agent, sandbox.access_token(), input=REPORT, stream=True))
    (session,) = sandbox.cloud.oauth_providers.sessions()
    [shown] = [event for event in events if event["type"] == "idaas-agent:consent_required"]
    last = events[-1]["response"]

    assert session.session_id in shown["agent_event"]["url"]
    assert last["agent_event"] == shown["agent_event"]
    assert session.session_id not in json.dumps(last["output"])


@pytest.mark.promise("approval-binds")
async def test_question_of_a_server_is_answered_by_the_content_of_its_form(
    served: Threads, bank: Bank
) -> None:
    asked = (await served.ask("POST", PATH, body={"input": "Pay"})).json()
    waits = asked["output"][-1]
    approval = waits["agent_event"]["approval"]
    assert (waits["type"], approval["kind"]) == ("message", "elicitation")
    assert "asks you something" in waits["content"][0]["text"]
    item = decided(approval["id"], arguments={"copies": 2})
    body = {"input": [item], "previous_response_id": asked["id"]}
    ended = (await served.ask("POST", PATH, body=body)).json()

    assert ended["status"] == "completed"
    assert ended["output"][-1]["type"] == "message"
    [answered] = bank.answered
    assert answered["q"]["content"] == {"copies": 2}
