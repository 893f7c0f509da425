"""Whose rights a call uses, as A2A shows it: a call, a question to the user, and one to an approver."""

from typing import Any

import pytest

from plugins.a2a.tests.official_client import official_client
from tests.end_to_end.test_shown_rights import CHANGE, KINDS, LOOK, PAY
from tests.end_to_end.test_shown_rights import agent_with as agent_with


@pytest.mark.parametrize("kind", ["api_key", "issued_jwt api_key"])  # the words of each: tests/end_to_end
async def test_task_shows_whose_rights_a_call_uses(kind: str, agent_with: Any, sandbox: Any) -> None:
    credential, _, sentence = KINDS[kind]
    agent = await agent_with(credential)
    alice = sandbox.access_token("alice")
    bob = sandbox.access_token("bob", groups=["finance"])
    async with official_client(agent.origin, alice) as client:
        updates = [each["statusUpdate"] for each in await client.send(LOOK) if "statusUpdate" in each]
        calls = [each["metadata"]["idaas-agent"] for each in updates if "metadata" in each]
        kinds = [call["credential_kind"] for call in calls if call.get("type", "").startswith("tool_")]
        assert kinds == [kind, kind]
        parts = (await client.send(CHANGE, message_id="m-2"))[-1]["statusUpdate"]["status"]["message"][
            "parts"
        ]
        assert sentence in parts[0]["text"]
        assert parts[1]["data"]["credential_kind"] == kind
        await client.send(PAY, message_id="m-3")
    path = f"{agent.origin}/approvals"
    [asked] = (await agent.http.get(path, headers={"Authorization": f"Bearer {bob}"})).json()["asked"]
    assert asked["credential_kind"] == kind
    async with official_client(agent.origin, bob) as client:
        [reply] = await client.send({"approval": asked["id"]})
    assert sentence in reply["message"]["parts"][0]["text"]
    assert "user_alice01" in reply["message"]["parts"][0]["text"]
