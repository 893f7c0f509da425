"""A service for each kind of credential, called by a tool of SERVICES_FILE through the whole agent."""

import json

import pytest

from sandbox.configuration import parse_configuration

REPORTS = "https://reports.sandbox.example"
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
    answer = await agent.ask("Get the sales report of month 2026-10", sandbox.access_token(), stream=True)
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
        answer = await agent.ask("Get the sales report of month 2026-10", sandbox.access_token(), stream=True)
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
    question = "Get the sales report of month 2026-10"
    answer = await agent.ask(question, sandbox.access_token("bob"), stream=True)
    assert answer.tool_events[-1]["error"] == "service_credential_unavailable"
    assert "bucket:GetObject" not in cloud.counters.snapshot()
