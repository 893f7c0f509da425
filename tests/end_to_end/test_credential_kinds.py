"""A service for each kind of credential, called by a tool of SERVICES_FILE through the whole agent."""

import json

import pytest

from sandbox.configuration.configuration import parse_configuration

REPORTS = "https://reports.sandbox.example"
REPORT = 'call sales_report with {"month": "2026-10"}'
ROLE = 'cloud_role = { role = "acs:ram::1000000000000001:role/report-reader", seconds = 900 }'
TOOLS = '''
def service(reports, settings):
    @reports.tool
    async def sales_report(http, month: str) -> str:
        """Gets the sales report of a month."""
        headers = {"x-acs-action": "GetObject", "x-acs-version": "2019-05-17"}
        return (await http.get(month + settings.get("suffix", ""), headers=headers)).text
'''


@pytest.fixture
def declared(sandbox, tmp_path):
    """Declares the service `reports` in SERVICES_FILE, with `credential`; returns the variables."""

    def declare(credential: str, url: str) -> dict[str, str]:
        (tmp_path / "reports.py").write_text(TOOLS)
        entry = f'[services.reports]\ntype = "http"\nurl = "{url}"\npython = "reports.py:service"\n'
        (tmp_path / "services.toml").write_text(f"{entry}{credential}\n")
        return {"SERVICES_FILE": str(tmp_path / "services.toml")}

    yield declare
    sandbox.cloud.configure(parse_configuration(""))


@pytest.mark.parametrize(
    ("access_identity", "subject"), [("Machine", "app_agent01"), ("Human", "user_alice01")]
)
async def test_service_is_called_with_a_jwt_of_the_caller(
    start_agent, sandbox, declared, access_identity, subject
):
    sandbox.cloud.configure(parse_configuration('[services.reports]\njwt_provider = "service_jwt"\n'))
    variables = declared(
        f'issued_jwt = {{ provider = "service_jwt", audience = "{REPORTS}" }}',
        sandbox.cloud.addresses.echo_url("reports"),
    )
    agent = await start_agent(access_identity, **variables)
    answer = await agent.ask(REPORT, sandbox.access_token(), stream=True)
    (started, finished) = answer.tool_events
    assert (started["audience"], started["credential"]) == (REPORTS, "service_jwt")
    assert (finished["ok"], finished["access_identity"]) == (True, access_identity)
    assert json.loads(finished["result"])["credential"]["claims"]["sub"] == subject
    assert all(stored.value not in answer.body for stored in sandbox.cloud.jwt_providers.stored())


@pytest.mark.parametrize("access_identity", ["Machine", "Human"])
async def test_request_is_signed_with_the_credentials_of_a_cloud_role(
    start_agent, sandbox, declared, access_identity
):
    cloud = sandbox.cloud
    variables = declared(f'{ROLE}\nsettings = {{ suffix = ".txt" }}', cloud.addresses.bucket_url)
    agent = await start_agent(access_identity, **variables)
    for _ in range(2):
        answer = await agent.ask(REPORT, sandbox.access_token(), stream=True)
        (started, finished) = answer.tool_events
        assert started["credential"] == "acs:ram::1000000000000001:role/report-reader"
        assert (finished["ok"], "1,204 orders" in finished["result"]) == (True, True)
    counters = cloud.counters.snapshot()
    assert counters["bucket:GetObject"] == 2
    assert counters["developer_api:ObtainCloudAccountRoleAccessCredential"] == (
        1 if access_identity == "Machine" else 2  # each ask has an access token of its own
    )
    for issued in cloud.cloud_roles.issued():
        assert issued.access_key_secret not in answer.body
        assert issued.security_token not in answer.body


async def test_user_to_whom_the_role_is_not_released_does_not_get_the_agents_rights(
    start_agent, sandbox, declared
):
    cloud = sandbox.cloud
    next(iter(cloud.cloud_roles)).readers.discard("user_bob01")
    agent = await start_agent("Human", **declared(ROLE, cloud.addresses.bucket_url))
    question = REPORT
    answer = await agent.ask(question, sandbox.access_token("bob"), stream=True)
    assert answer.tool_events[-1]["error"] == "service_credential_unavailable"
    assert "bucket:GetObject" not in cloud.counters.snapshot()


CALENDAR_TOOLS = '''
def service(calendar, settings):
    @calendar.tool
    async def sales_report(http, month: str) -> str:
        """Gets the sales report of a month."""
        return (await http.get("events")).text
'''


@pytest.fixture
def calendar(sandbox, declared, tmp_path):
    """The variables of an agent with a service of the OAuth provider."""

    def declare(provider: str) -> dict[str, str]:
        variables = declared(
            f'oauth_token = {{ provider = "{provider}" }}', sandbox.cloud.addresses.calendar_url
        )
        (tmp_path / "reports.py").write_text(CALENDAR_TOOLS)
        return variables

    return declare


async def test_oauth_token_of_the_agent_is_used_under_machine_identity(start_agent, sandbox, calendar):
    agent = await start_agent("Machine", **calendar("calendar_rooms"))
    for _ in range(2):
        answer = await agent.ask(REPORT, sandbox.access_token(), stream=True)
        assert json.loads(answer.tool_events[-1]["result"])["account"] == "app_agent01"
    counters = sandbox.cloud.counters.snapshot()
    assert counters["developer_api:FetchOAuthAuthenticationToken"] == 1
    (token,) = sandbox.cloud.oauth_providers.tokens()
    assert token.value not in answer.body


@pytest.mark.promise("no-secret-leaves")
async def test_user_opens_the_address_that_the_stream_shows_and_asks_again(
    start_agent, sandbox, calendar, caplog, tmp_path
):
    cloud, alice = sandbox.cloud, sandbox.access_token("alice")
    audit = tmp_path / "audit.jsonl"
    agent = await start_agent("Human", **calendar("calendar"), AUDIT_LOG_FILE=str(audit))
    with caplog.at_level("DEBUG"):
        answer = await agent.ask(REPORT, alice, stream=True)
    (session,) = cloud.oauth_providers.sessions()
    url = f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}"
    _, shown, first = answer.tool_events
    assert shown == {
        "type": "consent_required",
        "service": "reports",
        "call_id": first["call_id"],
        "url": url,
    }
    assert (first["ok"], first["error"]) == (False, "consent_required")
    assert answer.body.count(session.session_id) == 1  # in no result, and the model has none to repeat
    assert session.session_id not in audit.read_text() + caplog.text
    assert "Allow" in (await agent.http.get(url)).text
    assert "Allowed" in (await agent.http.post(url, data={"decision": "allow"})).text
    second = (await agent.ask(REPORT, alice, stream=True)).tool_events[-1]
    assert json.loads(second["result"])["account"] == "user_alice01"
    others = (await agent.ask(REPORT, sandbox.access_token("bob"), stream=True)).tool_events[-1]
    assert others["error"] == "consent_required"


@pytest.mark.promise("no-secret-leaves")
async def test_address_is_beside_the_messages_on_every_surface_without_conversations(
    start_agent, sandbox, calendar
):
    alice, headers = sandbox.access_token(), {"Authorization": f"Bearer {sandbox.access_token()}"}
    agent = await start_agent("Human", **calendar("calendar"), CONVERSATIONS_URL="none")

    async def post(path: str, body: dict[str, object]) -> str:
        return (await agent.http.post(f"{agent.origin}{path}", json=body, headers=headers)).text

    whole = json.loads((await agent.ask(REPORT, alice)).body)
    event = {name: whole["agent_event"][name] for name in ("type", "service", "url")}
    address = event["url"].rpartition("/")[2]
    assert (event["type"], event["service"]) == ("consent_required", "reports")
    question = {"id": "q", "role": "user", "content": REPORT}
    run = {"threadId": "t", "runId": "r", "state": {}, "messages": [question], "tools": [], "context": []}
    shown = await post("/ag-ui/agent", run | {"forwardedProps": {}})
    (custom,) = [json.loads(line[6:]) for line in shown.splitlines() if address in line]
    assert (custom["type"], custom["name"]) == ("CUSTOM", "idaas-agent:consent_required")
    assert event.items() <= {"type": "consent_required", **custom["value"]}.items()
    asked = {"input": {"messages": [["user", REPORT]]}}
    lines = [line for line in (await post("/agent/stream_events", asked)).splitlines() if address in line]
    assert [json.loads(line[6:])["event"] for line in lines] == ["on_custom_event"]
    assert address not in await post("/agent/invoke", asked)


@pytest.mark.promise("no-secret-leaves")
async def test_conversation_waits_for_the_consent_and_keeps_no_address(
    start_agent, sandbox, calendar, tmp_path
):
    cloud, headers = sandbox.cloud, {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    database = tmp_path / "conversations.db"
    variables = calendar("calendar") | {"CONVERSATIONS_URL": f"sqlite:///{database}"}
    agent = await start_agent("Human", **variables)
    body = {"messages": [{"role": "user", "content": REPORT}], "metadata": {"thread_id": "t1"}}
    await agent.http.post(f"{agent.origin}/openai/v1/chat/completions", json=body, headers=headers)
    [approval] = (await agent.http.get(f"{agent.origin}/threads/t1", headers=headers)).json()["approvals"]
    (session,) = cloud.oauth_providers.sessions()
    assert approval["kind"] == "consent_required"
    assert approval["url"] == f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}"
    files = b"".join(file.read_bytes() for file in tmp_path.glob("conversations.db*"))
    assert b"consent_required" in files
    assert session.session_id.encode() not in files
    await agent.http.post(approval["url"], data={"decision": "allow"})
    path = f"{agent.origin}/threads/t1/approvals/{approval['id']}"
    assert (await agent.http.post(path, json={"decision": "approve"}, headers=headers)).status_code == 202
    await agent.http.get(f"{agent.origin}/threads/t1/events", headers=headers)
    messages = (await agent.http.get(f"{agent.origin}/threads/t1", headers=headers)).json()["messages"]
    assert json.loads(messages[2]["content"])["account"] == "user_alice01"


async def test_agents_own_identity_cannot_consent_for_a_user(start_agent, sandbox, calendar):
    agent = await start_agent("Machine", **calendar("calendar"))
    answer = await agent.ask(REPORT, sandbox.access_token("alice"), stream=True)
    assert answer.tool_events[-1]["error"] == "service_credential_unavailable"
    assert sandbox.cloud.oauth_providers.sessions() == ()


async def test_withdrawn_token_of_the_agent_is_obtained_anew_within_the_call(start_agent, sandbox, calendar):
    agent, providers = (
        await start_agent("Machine", **calendar("calendar_rooms")),
        sandbox.cloud.oauth_providers,
    )
    for _ in range(2):
        answer = await agent.ask(REPORT, sandbox.access_token(), stream=True)
        assert json.loads(answer.tool_events[-1]["result"])["account"] == "app_agent01"
        providers.withdraw("app_agent01")
    counters = sandbox.cloud.counters.snapshot()
    assert (
        counters["developer_api:FetchOAuthAuthenticationToken"] == 3
    )  # the kept one, and once more with force
    assert (counters["calendar:events"], counters["calendar:refused_credential"]) == (2, 1)


async def test_user_is_asked_again_when_their_token_was_withdrawn_and_the_run_goes_on(
    start_agent, sandbox, calendar, tmp_path
):
    cloud, headers = sandbox.cloud, {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    database = tmp_path / "conversations.db"
    variables = calendar("calendar") | {"CONVERSATIONS_URL": f"sqlite:///{database}"}
    agent = await start_agent("Human", **variables)
    providers = cloud.oauth_providers
    providers.issue(providers.find("calendar"), "user_alice01", "calendar.read")

    async def ask(thread: str) -> list[dict]:
        body = {"messages": [{"role": "user", "content": REPORT}], "metadata": {"thread_id": thread}}
        await agent.http.post(f"{agent.origin}/openai/v1/chat/completions", json=body, headers=headers)
        return (await agent.http.get(f"{agent.origin}/threads/{thread}", headers=headers)).json()["approvals"]

    assert await ask("t1") == []
    providers.withdraw("user_alice01")
    for thread in ("t2", "t3"):  # the second one without a call that fails first
        [approval] = await ask(thread)
        assert approval["kind"] == "consent_required"
    assert cloud.counters.snapshot()["calendar:refused_credential"] == 1
    assert "Allowed" in (await agent.http.post(approval["url"], data={"decision": "allow"})).text
    assert await ask("t4") == []
    counters = cloud.counters.snapshot()
    assert (counters["calendar:events"], counters["calendar:refused_credential"]) == (2, 1)
