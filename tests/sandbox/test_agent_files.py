"""The files that the sandbox writes for an agent: no secret of another method, and renewed in time."""

import json
from pathlib import Path

import pytest

from sandbox.agent_files.workload_token_files import WorkloadTokenFiles
from sandbox.authn_method import AuthnMethod

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
    assert ("openApiEndpoint" in configuration) == (method is AuthnMethod.PLUGIN)


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
