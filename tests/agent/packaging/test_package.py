"""The packages: what is in them, and that they contain no secret."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.packaging.agentrun import AgentRunOptions, Package, package_agentrun
from agent.packaging.archive import write_zip
from agent.packaging.enterprise_service import (
    FunctionOptions,
    deployed_jwks,
    package_enterprise_service,
    trigger_jwks,
)
from agent.packaging.errors import PackagingError
from agent.packaging.variables import deployed_variables
from agent.settings.settings import read_settings
from sandbox.agent_files.agent_environment import sdk_configuration
from sandbox.authn_method import AuthnMethod
from tests.conftest import Sandbox

ROOT = Path(__file__).parents[3]
FUNCTION = ROOT / "deploy" / "enterprise-service"


def install(folder: Path) -> None:
    """Two dependencies, with bytecode that does not belong into a package."""
    (folder / "one").mkdir()
    (folder / "one" / "__init__.py").write_text("value = 1\n")
    (folder / "one" / "__pycache__").mkdir()
    (folder / "one" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / "two.py").write_text("")


def variables(sandbox: Sandbox, folder: Path, method: str = "PLUGIN") -> dict[str, str]:
    """The sandbox's, with an SDK configuration file of a method."""
    file = folder / "client-config.json"
    file.write_text(json.dumps(sdk_configuration(sandbox.cloud, AuthnMethod(method))))
    role = sandbox.cloud.execution_role.current("function", 3600)
    return sandbox.environment | {
        "CLOUD_IDAAS_CONFIG_PATH": str(file),
        "REDIS_URL": "rediss://user:sesame@redis.example:6379",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": role.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": role.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": role.security_token,
    }


def built(sandbox: Sandbox, folder: Path, **options: Any) -> Package:
    given = variables(sandbox, folder)
    chosen = AgentRunOptions(**options)
    return package_agentrun(read_settings(given), given, chosen, folder / "out", source=ROOT, install=install)


def names(package: Package) -> set[str]:
    with zipfile.ZipFile(package.folder / "code.zip") as archive:
        return set(archive.namelist())


def test_zip_contains_only_the_agent_and_its_dependencies(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path)
    found = names(package)
    assert {name.partition("/")[0] for name in found} == {
        *("agent", "graph", "identity", "tools", "python", "main.py", "client-config.json")
    }
    assert {"agent/cli.py", "identity/secrets/secret.py", "python/one/__init__.py", "python/two.py"} <= found
    assert not [name for name in found if "__pycache__" in name or name.endswith(".pyc")]
    assert package.size == (package.folder / "code.zip").stat().st_size


def test_no_file_of_the_package_contains_a_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path)
    secrets, role = sandbox.cloud.secrets, sandbox.cloud.execution_role.current("function", 3600)
    texts = [path.read_bytes() for path in package.folder.iterdir() if path.suffix != ".zip"]
    with zipfile.ZipFile(package.folder / "code.zip") as archive:
        texts += [archive.read(name) for name in archive.namelist()]
    of_role = (role.access_key_secret, role.security_token)
    of_client = (secrets.agent_client_secret, secrets.agent_private_key.splitlines()[1])
    for secret in ("sesame", *of_role, *of_client):
        assert not [text for text in texts if secret.encode() in text]
    notes = "\n".join(package.notes)
    assert "REDIS_URL is not in s.yaml: it contains a password" in notes
    assert "SSL_CERT_FILE is not in s.yaml: it names a file of this machine" in notes


def test_description_has_the_agents_variables(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path, region="cn-beijing", role="agent-role")
    props = yaml.safe_load((package.folder / "s.yaml").read_text())["resources"]["agent"]["props"]
    agent = props["agent"]
    assert (props["region"], agent["role"], agent["port"]) == ("cn-beijing", "agent-role", 9002)
    assert agent["healthCheckConfiguration"]["httpGetUrl"] == "/health"
    found = agent["environmentVariables"]
    assert found["AGENT_AUDIENCE"] == sandbox.environment["AGENT_AUDIENCE"]
    assert found["CLOUD_IDAAS_CONFIG_PATH"] == "/code/client-config.json"
    assert (found["AGENT_HOST"], found["AGENT_PORT"]) == ("0.0.0.0", "9002")  # noqa: S104 - the platform's
    assert "IDAAS_CLIENT_SECRET" not in found
    policy = json.loads((package.folder / "role-policy.json").read_text())
    assert policy["Statement"][0]["Action"] == "eiam:GenerateOauthToken"
    assert "API_URL" in (package.folder / "config.js").read_text()


@pytest.mark.parametrize(("value", "kept"), [("-", True), ("/var/log/audit.jsonl", False)])
def test_audit_log_goes_into_the_description_only_if_it_is_standard_output(value: str, kept: bool) -> None:
    found, left_out = deployed_variables({"AUDIT_LOG_FILE": value}, 9002)
    assert (found.get("AUDIT_LOG_FILE"), bool(left_out)) == ("-" if kept else None, not kept)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    files = {"b": b"2", "a": b"1"}
    write_zip(tmp_path / "one.zip", files)
    write_zip(tmp_path / "two.zip", dict(sorted(files.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_method_that_needs_a_secret_is_refused_before_anything_is_installed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    given = variables(sandbox, tmp_path, method="CLIENT_SECRET_POST")
    with pytest.raises(PackagingError, match="CLIENT_SECRET_POST needs a secret"):
        package_agentrun(
            read_settings(given),
            given,
            AgentRunOptions(),
            tmp_path / "out",
            source=ROOT,
            install=lambda _: pytest.fail("installed"),
        )
    assert not (tmp_path / "out").exists()


def test_every_fault_of_the_options_is_reported(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(PackagingError) as caught:
        built(sandbox, tmp_path, region="mars", name="1")
    assert len(caught.value.faults) == 2


def test_start_with_another_python_ends_with_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path, python="3.10")
    with zipfile.ZipFile(package.folder / "code.zip") as archive:
        archive.extractall(tmp_path / "code")
    started = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path / "code", capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert started.stderr.startswith("this package has dependencies for Python 3.10")
    assert len(started.stderr.splitlines()) == 1


# The enterprise service -------------------------------------------------------------------------


def function(sandbox: Sandbox, folder: Path) -> Package:
    settings = read_settings(sandbox.environment)
    jwks = sandbox.cloud.jwks()
    return package_enterprise_service(
        settings, jwks, FunctionOptions(), folder, source=FUNCTION, install=install
    )


def test_trigger_of_the_function_has_the_current_keys(sandbox: Sandbox, tmp_path: Path) -> None:
    package = function(sandbox, tmp_path / "out")
    document = yaml.safe_load((package.folder / "s.yaml").read_text())
    keys = deployed_jwks(document)["keys"]
    assert [key["kid"] for key in keys] == [key["kid"] for key in sandbox.cloud.jwks()["keys"]]
    assert {"app.py", "jwks.json", "python/two.py"} <= names(package)
    environment = document["resources"]["service"]["props"]["environmentVariables"]
    assert environment["SERVICE_AUDIENCE"] == "https://enterprise.sandbox.example"
    assert environment["SERVICE_PERMISSION"] == "service.invoke"


def test_trigger_has_only_public_rsa_keys_for_signatures() -> None:
    key = {"kty": "RSA", "kid": "1", "n": "n", "e": "AQAB", "d": "private"}
    others = [{"kty": "EC", "kid": "2"}, {"kty": "RSA", "use": "enc"}, "text"]
    (found,) = trigger_jwks({"keys": [key, *others]})["keys"]
    assert found == {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "n"}
    with pytest.raises(PackagingError):
        trigger_jwks({"keys": others})


def run(sandbox: Sandbox, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env=sandbox.environment)
    return result.exit_code, result.output


def test_trigger_jwks_prints_the_keys_of_the_trigger(sandbox: Sandbox) -> None:
    status, output = run(sandbox, "trigger-jwks")
    assert status == 0
    assert json.loads(output) == trigger_jwks(sandbox.cloud.jwks())


def test_trigger_jwks_reports_a_rotated_key(sandbox: Sandbox, tmp_path: Path) -> None:
    deployed = str(function(sandbox, tmp_path / "out").folder / "s.yaml")
    status, output = run(sandbox, "trigger-jwks", "--deployed", deployed)
    assert (status, "the deployed keys are IDaaS's present ones" in output) == (0, True)
    before, after = sandbox.cloud.keys.current.kid, None
    sandbox.cloud.keys.rotate(overlap=False)
    after = sandbox.cloud.keys.current.kid
    status, output = run(sandbox, "trigger-jwks", "--deployed", deployed)
    assert status == 1
    assert f"missing in the trigger: {after}" in output
    assert f"no longer IDaaS's: {before}" in output


@pytest.mark.parametrize("content", ["", "a: [", "resources: {}", "resources: {service: 1}"])
def test_trigger_jwks_refuses_a_file_without_a_trigger(
    sandbox: Sandbox, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(content)
    status, output = run(sandbox, "trigger-jwks", "--deployed", str(file))
    assert status == 1
    assert "Traceback" not in output
