"""`idaas-agent sandbox user|service|credential|redirect-uri add` and `grant`, and the README's example."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from identity.settings.env_file import read_env_file
from sandbox.addresses import Addresses
from sandbox.commands.company import PEOPLE, company_variables
from sandbox.configuration.configuration_file import SandboxFile
from sandbox.server.server import SandboxOptions, start_sandbox
from sandbox.state.directory import AGENT
from tests.sandbox.conftest import ACCESS_TOKEN, EXCHANGE

README = (Path(__file__).parents[3] / "sandbox" / "README.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^    idaas-agent (sandbox \S+ .*)$", README, re.MULTILINE)
NOTHING_RUNS = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def running(folder):
    """A sandbox of its own, on free ports, that uses `sandbox.toml` in the folder."""
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    options = SandboxOptions(folder=folder / ".sandbox", config=folder / "sandbox.toml", **ports)
    with start_sandbox(options) as running:
        yield running


def run(*arguments, url=NOTHING_RUNS):
    return CliRunner().invoke(app, [*arguments, "--sandbox-url", url])


def test_readmes_commands_add_to_the_example_and_are_taken_up(folder, running):
    (folder / "sandbox.toml").write_text(EXAMPLE)
    plain = running.cloud.addresses.idaas_plain
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        result = run(*shlex.split(command), url=plain)
        assert result.exit_code == 0, result.output
        assert "has reloaded it" in result.output
    cloud = running.cloud
    assert set(cloud.directory.users) == {"alice", "bob", "carol", "dave"}
    assert "# pages of your own" in (folder / "sandbox.toml").read_text()
    environment = (folder / ".sandbox" / "agent.env").read_text()
    for line in (
        "PAYROLL_SERVICE_SCOPE='https://payroll.sandbox.example|payroll.read'",
        f"RATES_SERVICE_URL={cloud.addresses.echo_url('rates')}",
        "SHOP_API_KEY_IDENTIFIER=shop_api_key",
        "CALLER_CLAIMS='groups department acr'",
        "CLIENT_IDS='app_reports01 app_nightly01'",
        "ALLOW_CLIENT_CALLERS=true",
    ):
        assert line in environment
    dave = cloud.directory.users["dave"].claims
    assert dave == {"department": "F-7", "groups": ["finance"]}


def test_added_user_calls_an_added_service_through_the_agent(running):
    """Sign-in, token exchange and the echo service, as a tool under Human identity does it."""
    addresses, plain = running.cloud.addresses, running.cloud.addresses.idaas_plain
    run("sandbox", "service", "add", "payroll", "--permission", "payroll.read", url=plain)
    run("sandbox", "user", "add", "carol", url=plain)
    scope = "https://payroll.sandbox.example|payroll.read"
    form = {
        "client_id": AGENT,
        "client_secret": running.cloud.secrets.agent_client_secret,
        "grant_type": EXCHANGE,
        "scope": scope,
        "subject_token": running.cloud.user_token("carol"),
        "subject_token_type": ACCESS_TOKEN,
    }
    with httpx.Client(verify=running.ssl_context) as client:
        assert client.post(addresses.token_endpoint, data=form).json()["error"] == "invalid_scope"
        run("sandbox", "grant", "payroll|payroll.read", "--to", "agent", "--to", "carol", url=plain)
        token = client.post(addresses.token_endpoint, data=form).json()["access_token"]
        echo = client.get(addresses.echo_url("payroll"), headers={"Authorization": f"Bearer {token}"})
    assert echo.json()["credential"]["claims"]["sub"] == "user_carol01"


def test_claim_that_is_no_pair_is_refused_and_client_id_and_secret_of_an_application_are_shown(folder):
    refused = run("sandbox", "user", "add", "carol", "--claim", "department")
    assert (refused.exit_code, "--claim must be NAME=TEXT" in refused.output) == (1, True)
    added = run("sandbox", "client", "add", "nightly", "--permission", "agent|agent.access")
    assert "client id app_nightly01" in added.output
    kept = json.loads((folder / ".sandbox" / "added-secrets.json").read_text())
    assert f"client secret {kept['clients.app_nightly01']}" in added.output


def test_people_of_the_company_are_known_to_commands_and_may_be_replaced(folder):
    granted = run("sandbox", "grant", "expenses|expenses.write", "--to", "dan")
    assert granted.exit_code == 0, granted.output
    assert run("sandbox", "user", "add", "dan", "--group", "audit").exit_code == 0
    configuration = SandboxFile(folder / "sandbox.toml", base=PEOPLE).read()
    assert configuration.claims["dan"] == {"groups": ["audit"]}
    assert configuration.claims["carol"]["groups"] == ["managers"]
    assert [client.client_id for client in configuration.clients] == ["app_payroll01"]


def test_company_of_up_is_copied_once_and_left_out_for_an_agent_with_services_of_its_own(folder):
    addresses = Addresses(function_compute="https://localhost:1234")
    variables = company_variables({}, folder, addresses)
    assert {name for name in variables if "_FILE" in name} == {
        "POLICY_FILE",
        "SERVICES_FILE",
        "SYSTEM_PROMPT_FILE",
    }
    rules, services = Path(variables["POLICY_FILE"]), Path(variables["SERVICES_FILE"])
    assert 'url = "https://localhost:1234/echo/expenses"' in services.read_text()
    assert read_env_file(folder / "company" / "agent.env") == variables
    rules.write_text("// mine")
    services.write_text("")
    assert company_variables({"CALLER_CLAIMS": "name"}, folder, addresses) == variables
    assert (rules.read_text(), services.read_text() != "") == ("// mine", True)
    assert company_variables({"SERVICES_FILE": "mine.toml"}, folder, addresses) == {}


def test_users_are_listed_with_the_passwords_with_which_they_sign_in(folder, running):
    run("sandbox", "user", "add", "erin", "--group", "audit", url=running.cloud.addresses.idaas_plain)
    result = CliRunner().invoke(app, ["sandbox", "user", "list"])
    assert result.exit_code == 0, result.output
    users = running.cloud.directory.users
    listed = [line.split() for line in result.output.splitlines()]
    assert {line[0]: line[2] for line in listed if line[0] in users} == {
        user.name: user.password for user in users.values()
    }
    assert "(audit)" in next(line for line in result.output.splitlines() if line.startswith("erin"))


def test_users_of_a_sandbox_that_was_never_started_are_not_made_up(folder):
    result = CliRunner().invoke(app, ["sandbox", "user", "list"])
    assert (result.exit_code, "no sandbox was started" in result.output) == (1, True)
    assert list(folder.iterdir()) == []


def test_without_a_running_sandbox_the_file_is_written_for_the_next_start(folder):
    result = run("sandbox", "user", "add", "carol")
    assert result.exit_code == 0
    assert "it applies at the next start" in result.output
    assert [user.name for user in SandboxFile(folder / "sandbox.toml").read().users] == ["carol"]


def test_every_fault_of_an_addition_is_printed_and_nothing_is_written(folder):
    (folder / "sandbox.toml").write_text(EXAMPLE)
    result = run("sandbox", "grant", "nonsense|x", "--to", "mallory")
    assert result.exit_code == 1
    assert 'sandbox.toml: grants[1].to[0]: "mallory" is unknown' in result.output
    assert 'sandbox.toml: grants[1].scope: service "nonsense" is unknown' in result.output
    assert (folder / "sandbox.toml").read_text() == EXAMPLE
    assert list(folder.iterdir()) == [folder / "sandbox.toml"]


@pytest.mark.parametrize("command", ["sandbox", "up"])
def test_faults_of_the_file_stop_the_start(folder, command):
    (folder / "sandbox.toml").write_text('[users.carol]\nnick = "C"\n[services.shop]\nport = 1\n')
    ports = ["--idaas-port", "0", "--idaas-plain-port", "0", "--model-studio-port", "0"]
    agent = ["--agent-port", "0", "--page-port", "0"] if command == "up" else []
    result = CliRunner().invoke(app, [command, *ports, "--function-compute-port", "0", *agent])
    assert result.exit_code == 1
    assert "sandbox.toml: users.carol.nick: is unknown" in result.output
    assert "sandbox.toml: services.shop.port: is unknown" in result.output
    assert not (folder / ".sandbox").exists()
