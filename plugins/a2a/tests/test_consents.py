"""The consent of a user to a token of another provider, asked over A2A."""

import json

import pytest

from plugins.a2a.tests.official_client import official_client
from tests.end_to_end.test_credential_kinds import REPORT
from tests.end_to_end.test_credential_kinds import calendar as calendar
from tests.end_to_end.test_credential_kinds import declared as declared


async def test_task_of_another_agent_waits_for_the_consent_of_its_user(
    start_agent, sandbox, calendar, tmp_path
):
    cloud, alice = sandbox.cloud, sandbox.access_token("alice")
    variables = calendar("calendar") | {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    agent = await start_agent("Human", **variables)
    async with official_client(agent.origin, alice) as client:
        asked = await client.send(REPORT)
        status = asked[-1]["statusUpdate"]["status"]
        text, data = status["message"]["parts"]
        (session,) = cloud.oauth_providers.sessions()
        url = f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}"
        assert status["state"] == "TASK_STATE_AUTH_REQUIRED"
        assert (data["data"]["kind"], data["data"]["url"]) == ("consent_required", url)
        assert url in text["text"]
        await agent.http.post(url, data={"decision": "allow"})
        decision = {"approval": data["data"]["id"], "decision": "approve"}
        ended = await client.send(decision, taskId=asked[0]["task"]["id"], message_id="m-2")
    called = [each["statusUpdate"]["metadata"]["idaas-agent"] for each in ended if "statusUpdate" in each]
    assert [each["ok"] for each in called if each.get("type") == "tool_finished"] == [True]
    assert ended[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.promise("no-secret-leaves")
async def test_address_of_the_consent_is_in_an_update_without_conversations(start_agent, sandbox, calendar):
    agent = await start_agent("Human", **calendar("calendar"), CONVERSATIONS_URL="none")
    async with official_client(agent.origin, sandbox.access_token()) as client:
        updates = await client.send(REPORT)
    (session,) = sandbox.cloud.oauth_providers.sessions()
    (update,) = [each for each in updates if session.session_id in json.dumps(each)]
    shown = update["statusUpdate"]["metadata"]["idaas-agent"]
    address = f"{sandbox.cloud.addresses.idaas_plain}/calendar/{session.session_id}"
    expected = {"type": "consent_required", "service": "reports", "url": address}
    assert expected.items() <= shown.items()
    assert "message" not in update["statusUpdate"]["status"]
