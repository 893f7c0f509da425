"""Variables that are sufficient."""

import json
from pathlib import Path

import pytest

SECRET = "CSnever-shown"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "client-config.json"
    path.write_text(
        json.dumps(
            {
                "idaasInstanceId": "idaas_1",
                "clientId": "app_agent",
                "issuer": "https://idaas.example/api/v2/iauths_system/oauth2",
                "tokenEndpoint": "https://idaas.example/api/v2/iauths_system/oauth2/token",
                "scope": "urn:cloud:idaas:pam|.all",
                "developerApiEndpoint": "eiam-developerapi.example",
                "authnConfiguration": {
                    "identityType": "CLIENT",
                    "authnMethod": "CLIENT_SECRET_POST",
                    "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET",
                },
            }
        )
    )
    return {
        "CLOUD_IDAAS_CONFIG_PATH": str(path),
        "IDAAS_CLIENT_SECRET": SECRET,
        "AGENT_AUDIENCE": "https://agent.example",
        "AGENT_SCOPE": "agent.access",
        "LLM_API_KEY_IDENTIFIER": "llm",
        "EXTERNAL_SERVER_API_KEY_IDENTIFIER": "amap",
        "ENTERPRISE_SERVICE_SCOPE": "https://svc.example|svc.read",
        "ENTERPRISE_SERVICE_URL": "https://svc.example/",
    }
