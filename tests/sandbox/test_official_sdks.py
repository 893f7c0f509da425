"""The referee: the vendor's own SDKs and its plugin work against the sandbox as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.authn_method import AuthnMethod, RoleCredentials

SESSION = Path(__file__).with_name("official_sdk_session.py")
CASES = [
    *((method, RoleCredentials.ENVIRONMENT) for method in AuthnMethod),
    (AuthnMethod.PLUGIN, RoleCredentials.URI),
    (AuthnMethod.PLUGIN, RoleCredentials.ECS),
    (AuthnMethod.PLUGIN, RoleCredentials.OIDC),
]


@pytest.fixture
def agents(sandbox, tmp_path) -> list[str]:
    """The variables of an agent, once for each method and each source of the role's credentials."""
    paths = []
    for method, source in CASES:
        folder = tmp_path / f"{method}-{source}"
        variables = sandbox.running.environment_by(method, folder, source)
        (folder / "variables.json").write_text(json.dumps(variables))
        paths.append(str(folder / "variables.json"))
    return paths


def test_the_sdks_obtain_tokens_exchange_them_and_read_api_keys(sandbox, agents) -> None:
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, str(SESSION), sandbox.access_token("alice"), *agents],
        env={**os.environ, "SSL_CERT_FILE": sandbox.environment["SSL_CERT_FILE"]},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(CASES)
    secrets = sandbox.cloud.secrets
    for result in results:
        machine = sandbox.cloud.access_tokens.verify(result["machine"])
        human = sandbox.cloud.access_tokens.verify(result["human"])
        assert (machine.subject, machine.audience) == ("app_agent01", "https://enterprise.sandbox.example")
        assert (human.subject, human.audience) == ("user_alice01", "https://enterprise.sandbox.example")
        assert result["machine_api_key"] == secrets.llm_api_key
        assert result["human_api_key"] == secrets.amap_api_key
    counters = sandbox.cloud.counters.snapshot()
    assert counters["developer_api:ObtainCredential"] == 2 * len(CASES)
    plugin = sum(method is AuthnMethod.PLUGIN for method, _ in CASES)
    assert counters["idaas:token.token_exchange"] == 2 * (len(CASES) - plugin)
    assert counters["openapi:GenerateOauthToken"] >= 4 * plugin
    assert counters["sts:AssumeRoleWithOIDC"] == 4
    authenticated = {event.authentication for event in sandbox.cloud.events.snapshot()} - {None}
    assert authenticated == {"post", "basic", "jwt", "pkcs7", "oidc", "pca", "plugin"}
