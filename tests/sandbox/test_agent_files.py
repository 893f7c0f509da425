"""The files that the sandbox writes for an agent, by method of client authentication."""

import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from sandbox.agent_files.workload_token_files import WorkloadTokenFiles
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.federation.keys import kept_federation_keys

SECRETS = {"IDAAS_CLIENT_SECRET", "ENV_PRIVATE_KEY"}
OWN = {
    AuthnMethod.CLIENT_SECRET_POST: SECRETS,
    AuthnMethod.CLIENT_SECRET_BASIC: SECRETS,
    AuthnMethod.CLIENT_SECRET_JWT: SECRETS,
    AuthnMethod.PRIVATE_KEY_JWT: SECRETS,
    AuthnMethod.PKCS7: {"ECS_METADATA_ENDPOINT"},
    AuthnMethod.OIDC: {"ALIBABA_CLOUD_OIDC_TOKEN_FILE"},
    AuthnMethod.PCA: {"ENV_PRIVATE_KEY"},
    AuthnMethod.PLUGIN: {
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    },
}


@pytest.mark.parametrize("method", AuthnMethod)
def test_agent_gets_the_variables_of_its_method_and_no_other_secret(sandbox, tmp_path, method) -> None:
    variables = sandbox.running.environment_by(method, tmp_path)
    common = set(sandbox.environment) - SECRETS
    assert set(variables) - common == OWN[method]
    configuration = json.loads((tmp_path / "client-config.json").read_text())
    assert configuration["authnConfiguration"]["authnMethod"] == method
    assert ("openApiEndpoint" in configuration) == (method is AuthnMethod.PLUGIN)


@pytest.mark.parametrize("source", RoleCredentials)
def test_role_credentials_come_from_the_chosen_source_alone(sandbox, tmp_path, source) -> None:
    variables = sandbox.running.environment_by(AuthnMethod.PLUGIN, tmp_path, source)
    assert ("ALIBABA_CLOUD_ACCESS_KEY_ID" in variables) == (source is RoleCredentials.ENVIRONMENT)
    assert ("ALIBABA_CLOUD_CREDENTIALS_URI" in variables) == (source is RoleCredentials.URI)
    assert ("ECS_METADATA_ENDPOINT" in variables) == (source is RoleCredentials.ECS)
    assert ("ALIBABA_CLOUD_ROLE_ARN" in variables) == (source is RoleCredentials.OIDC)


def test_workload_tokens_are_replaced_before_they_expire(sandbox, tmp_path: Path) -> None:
    cloud = sandbox.cloud
    files = WorkloadTokenFiles(tmp_path, cloud.federation, cloud.settings, cloud.clock)
    first = (tmp_path / "workload-token").read_text()
    assert (tmp_path / "workload-token").stat().st_mode & 0o777 == 0o600
    sandbox.clock.advance(2879)
    files.renew()
    assert (tmp_path / "workload-token").read_text() == first
    sandbox.clock.advance(1)
    files.renew()
    assert (tmp_path / "workload-token").read_text() != first


def test_federation_keys_survive_a_restart_and_are_renewed_before_they_expire(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    first = kept_federation_keys(tmp_path, now=now)
    assert kept_federation_keys(tmp_path, now=now + dt.timedelta(days=300)) == first
    assert kept_federation_keys(tmp_path, now=now + dt.timedelta(days=370)) != first


@pytest.mark.parametrize("command", ["up", "sandbox"])
def test_unknown_method_is_refused_with_the_known_ones(command) -> None:
    result = CliRunner().invoke(app, [command, "--authn", "SAML"])
    assert result.exit_code == 2
    assert "PKCS7" in result.output
