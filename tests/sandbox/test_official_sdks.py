"""The referee: the vendor's own SDKs work against the sandbox as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SESSION = Path(__file__).with_name("official_sdk_session.py")
METHODS = {
    "CLIENT_SECRET_POST": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "CLIENT_SECRET_BASIC": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "CLIENT_SECRET_JWT": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "PRIVATE_KEY_JWT": {"privateKeyEnvVarName": "ENV_PRIVATE_KEY"},
}


@pytest.fixture
def configurations(sandbox, tmp_path) -> list[str]:
    """The generated configuration file, once for each method of client authentication."""
    generated = json.loads(Path(sandbox.environment["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
    paths = []
    for method, members in METHODS.items():
        generated["authnConfiguration"] = {"identityType": "CLIENT", "authnMethod": method, **members}
        path = tmp_path / f"{method}.json"
        path.write_text(json.dumps(generated))
        paths.append(str(path))
    return paths


def test_the_sdks_obtain_tokens_exchange_them_and_read_api_keys(sandbox, configurations) -> None:
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, str(SESSION), sandbox.access_token("alice"), *configurations],
        env={**os.environ, **sandbox.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(METHODS)
    secrets = sandbox.cloud.secrets
    for result in results:
        machine = sandbox.cloud.access_tokens.verify(result["machine"])
        human = sandbox.cloud.access_tokens.verify(result["human"])
        assert (machine.subject, machine.audience) == ("app_agent01", "https://enterprise.sandbox.example")
        assert (human.subject, human.audience) == ("user_alice01", "https://enterprise.sandbox.example")
        assert result["machine_api_key"] == secrets.llm_api_key
        assert result["human_api_key"] == secrets.amap_api_key
    assert sandbox.cloud.counters.snapshot()["developer_api:ObtainCredential"] == 2 * len(METHODS)
    assert sandbox.cloud.counters.snapshot()["idaas:token.token_exchange"] == 2 * len(METHODS)
