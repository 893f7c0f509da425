"""The consent of a user to a token of another provider, asked over MCP."""

from plugins.mcp_server.tests.modern_client import headers_of, request
from tests.end_to_end.test_credential_kinds import REPORT
from tests.end_to_end.test_credential_kinds import calendar as calendar
from tests.end_to_end.test_credential_kinds import declared as declared


async def test_client_opens_the_address_of_the_consent_and_sends_the_call_again(
    start_agent, sandbox, calendar, tmp_path
):
    cloud, alice = sandbox.cloud, {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    variables = calendar("calendar") | {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    agent = await start_agent("Human", **variables)

    async def send(body, **headers):
        return (await agent.http.post(f"{agent.origin}/mcp", json=body, headers=alice | headers)).json()

    def ask(**again):
        return request("tools/call", {"name": "ask", "arguments": {"question": REPORT}, **again})

    asked = (await send(ask(), **headers_of(ask())))["result"]
    (session,) = cloud.oauth_providers.sessions()
    url = f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}"
    assert asked["inputRequests"]["answer"]["params"].items() >= {"mode": "url", "url": url}.items()
    legacy = {**ask(), "params": {"name": "ask", "arguments": {"question": REPORT}}}
    for _ in range(2):
        refused = (await send(legacy))["error"]
        assert (refused["code"], refused["data"]["elicitations"][0]["mode"]) == (-32042, "url")
    address = refused["data"]["elicitations"][0]["url"]
    for each in (url, address):
        await agent.http.post(each, data={"decision": "allow"})
    state = {"requestState": asked["requestState"], "inputResponses": {"answer": {"action": "accept"}}}
    ended = (await send(ask(**state), **headers_of(ask())))["result"]
    assert "user_alice01" in ended["structuredContent"]["answer"]
    assert "user_alice01" in (await send(legacy))["result"]["structuredContent"]["answer"]
