"""`Identity.from_env` reads the variables of identity, and reports every fault at once."""

from pathlib import Path

import pytest

from idaas_agent import ConfigurationError, Identity
from tests.http_proxy import HttpProxy
from tests.library.conftest import REQUIRED
from tests.library.test_examples import FOLDER
from tests.suite import Sandbox


def test_variables_of_the_model_and_of_services_are_not_needed(variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables)
    assert identity.settings.agent_audience == variables["AGENT_AUDIENCE"]
    assert identity.settings.approval_seconds == 600


def test_every_fault_is_reported_at_once(variables: dict[str, str]) -> None:
    given = variables | {"AGENT_AUDIENCE": "", "APPROVAL_SECONDS": "soon", "AUDIT_REQUIRED": "true"}
    given["CLOUD_IDAAS_CONFIG_PATH"] = "/there/is/none.json"
    with pytest.raises(ConfigurationError) as caught:
        Identity.from_env(given, approvals="mysql://root:secret@db/approvals")
    named = [fault.split()[0] for fault in caught.value.faults]
    assert named == ["AGENT_AUDIENCE", "AUDIT_LOG_FILE", "APPROVAL_SECONDS", "file", "approvals"]
    assert "root:secret" not in str(caught.value.faults)


@pytest.mark.parametrize("name", [*REQUIRED[1:], "IDAAS_CLIENT_SECRET"])
def test_required_variable_that_is_missing_is_named(variables: dict[str, str], name: str) -> None:
    del variables[name]
    with pytest.raises(ConfigurationError) as caught:
        Identity.from_env(variables)
    [fault] = caught.value.faults
    assert name in fault


def test_mapping_is_used_alone(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SCOPE", variables.pop("AGENT_SCOPE"))
    with pytest.raises(ConfigurationError) as caught:
        Identity.from_env(variables)
    assert caught.value.faults == ("AGENT_SCOPE must be set",)


async def test_proxies_are_those_of_a_mapping_and_not_of_the_process(
    sandbox: Sandbox, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = sandbox.environment["LEAVE_SERVICE_URL"]
    services = tmp_path / "services.toml"
    declared = (FOLDER / "services.toml").read_text()
    services.write_text(declared.replace("https://localhost:9445/leave", address))
    async with HttpProxy() as of_process, HttpProxy() as of_mapping:
        monkeypatch.setenv("HTTPS_PROXY", of_process.url)
        identity = Identity.from_env(variables | {"https_proxy": of_mapping.url}, clock=sandbox.clock)
        async with identity, identity.acting_for(sandbox.access_token("alice")):
            balance, *_ = await identity.tools(services)
            assert "days_left" in await balance.ainvoke({})
    hosts = {target.rpartition(":")[2] for target in of_mapping.targets}
    assert hosts == {url.split(":")[2].split("/")[0] for url in (sandbox.issuer, address)}
    assert of_process.targets == []


def test_proxy_of_a_mapping_that_cannot_be_used_is_a_fault(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Identity.from_env(variables | {"HTTP_PROXY": "socks5://agent:canary@proxy.example"})
    assert caught.value.faults == ("HTTP_PROXY must be the URL of an HTTP proxy (http://host:port)",)


def test_environment_of_the_process_wins_over_a_file(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "agent.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    assert Identity.from_env(env_file=file).settings.agent_scope == variables["AGENT_SCOPE"]
    monkeypatch.setenv("AGENT_SCOPE", "agent.other")
    assert Identity.from_env(env_file=str(file)).settings.agent_scope == "agent.other"


def test_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Identity.from_env(env_file=tmp_path / "none.env")
    assert caught.value.faults == (f'file "{tmp_path / "none.env"}" cannot be read: there is none',)


def test_place_of_approvals_is_not_shown(variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables, approvals="postgresql://agent:canary@db/approvals")
    assert "canary" not in f"{identity!r} {vars(identity)}"
