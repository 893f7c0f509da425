"""A token whose subject is a client is refused, unless a setting admits clients."""

import json

import pytest

from sandbox.state.directory import AGENT
from tests.graph.scripted_model import DONE, calls
from tests.machine_token import JOB, machine_token
from tests.running_agent import ENTERPRISE, GREETING, LEAVE

pytestmark = pytest.mark.promise("verified-caller")

CLIENTS = [
    {"sub": "app_other", "client_id": "app_other"},
    {"sub": "app_other", "azp": "app_other"},
    {"sub": "app_other:urn:robot:7", "client_id": "app_other"},
    {"sub": AGENT},
    {"sub": f"{AGENT}:urn:robot:7"},
]
PERSONS = [
    {"sub": "user_alice01", "client_id": "app_client01"},
    {"sub": "app_otherwise", "client_id": "app_other"},
    {"sub": f"{AGENT}2"},
]


async def answer(agent, token):
    return await agent.http.get(
        f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
    )


async def test_client_is_refused_and_a_user_of_the_same_client_is_admitted(start_agent, sandbox):
    agent = await start_agent()
    for claims in CLIENTS:
        refused = await answer(agent, sandbox.access_token(**claims))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "access_token_invalid")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    for claims in PERSONS:
        assert (await answer(agent, sandbox.access_token(**claims))).status_code == 200


async def test_client_is_admitted_if_the_setting_allows_it(start_agent, sandbox):
    agent = await start_agent(ALLOW_CLIENT_CALLERS="true")
    for claims in [*CLIENTS, *PERSONS]:
        assert (await answer(agent, sandbox.access_token(**claims))).status_code == 200
    blank = await answer(agent, sandbox.access_token(sub=" ", client_id="app_other"))
    assert blank.status_code == 401


async def test_client_is_recognized_by_its_listed_id_in_a_token_that_names_no_client(start_agent, sandbox):
    token = machine_token(sandbox, "agent.access")
    listed = await start_agent(CLIENT_IDS="app_other app_payroll")
    assert (await answer(listed, token)).status_code == 401
    assert (await answer(listed, sandbox.access_token())).status_code == 200
    both = await start_agent(CLIENT_IDS=JOB, ALLOW_CLIENT_CALLERS="true")
    assert [(await answer(both, each)).status_code for each in (token, sandbox.access_token())] == [200, 200]


@pytest.mark.promise("human-stays-human")
async def test_client_uses_what_the_agent_may_and_nothing_of_human_identity(
    start_impatient_agent, sandbox, tmp_path
):
    log = tmp_path / "audit.jsonl"
    settings = {"CLIENT_IDS": JOB, "ALLOW_CLIENT_CALLERS": "true"}
    settings |= {"AUDIT_LOG_FILE": str(log), "AUDIT_REQUIRED": "true"}
    token = machine_token(sandbox, "agent.access")
    started = await start_impatient_agent("Machine", **settings)
    assert "access identity: Machine" in (await started.agent.ask(ENTERPRISE, token)).text
    refused = await started.agent.ask(LEAVE, token)
    assert refused.status == 200
    assert "user_token_refused" in refused.text
    human = await start_impatient_agent("Human", **settings)
    assert (await human.agent.ask(GREETING, token)).code == "user_token_refused"
    assert set(started.requests.grants) | set(human.requests.grants) == {"client_credentials"}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    tools = {line["tool"]: line for line in lines if line["event"] == "tool_call"}
    called, kept = tools["call_enterprise_service"], tools["leave_balance"]
    assert (called["principal"]["sub"], called["access_identity"]) == (JOB, "Machine")
    assert (kept["principal"]["sub"], kept["outcome"], kept["error"]) == (
        JOB,
        "refused",
        "user_token_refused",
    )
    assert not [line for line in lines if line["event"] == "token_exchange"]

    rules = tmp_path / "policy.cedar"
    forbid = f'forbid (principal == User::"{JOB}", action, resource);'
    rules.write_text(f'@id("all") permit (principal, action, resource);\n@id("no-job") {forbid}\n// end\n')
    ruled = await start_impatient_agent("Machine", **settings, POLICY_FILE=str(rules))
    assert "access identity" not in (await ruled.agent.ask(ENTERPRISE, token)).text
    assert "access identity" in (await ruled.agent.ask(ENTERPRISE, sandbox.access_token())).text


@pytest.mark.promise("approval-binds")
async def test_client_decides_about_no_call_neither_its_own_nor_of_another(threads, sandbox, tmp_path):
    file = tmp_path / "services.toml"
    tool = 'maps_weather = { effect = "write", policy = "ask" MORE }'
    settings = {"CLIENT_IDS": JOB, "ALLOW_CLIENT_CALLERS": "true", "CALLER_CLAIMS": "groups"}
    settings["SERVICES_FILE"] = str(file)
    for user, more in ((JOB, ""), ("alice", ', approvers = "finance"')):
        file.write_text(
            f'[services.amap]\ntype = "built-in"\npolicies = {{ {tool.replace(" MORE", more)} }}\n'
        )
        served = await threads([calls(("maps_weather", {"city": "Hangzhou"})), DONE], **settings)
        served.tokens[JOB] = sandbox.access_token(sub=JOB, groups=["finance"])
        await served.say("The weather?", f"of-{user}", user)
        [open_] = (await served.ask("GET", f"/threads/of-{user}", user)).json()["approvals"]
        own, others = f"/threads/of-{user}/approvals/{open_['id']}", f"/approvals/{open_['id']}"
        for path in (own, others) if user == JOB else (others,):
            decided = await served.ask("POST", path, JOB, {"decision": "approve"})
            assert (decided.status_code, decided.json()["error"]["code"]) == (409, "approval_invalid")
        assert (await served.ask("GET", f"/threads/of-{user}", user)).json()["approvals"]
