"""A service for each kind of credential, called by a tool of SERVICES_FILE through the whole agent."""

import json

import pytest

from sandbox.configuration import parse_configuration

REPORTS = "https://reports.sandbox.example"
TOOLS = '''
def service(reports, settings):
    @reports.tool
    async def sales_report(http, month: str) -> str:
        """Gets the sales report of a month."""
        return (await http.get(month)).text
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
