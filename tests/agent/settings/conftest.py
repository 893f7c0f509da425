"""Variables that are sufficient, and the services that a file declares."""

import json
from pathlib import Path

import pytest

from agent.composition.extensions import services
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from tools.services_file import read_services_file

SECRET = "CSnever-shown"
PAYROLL = '''
def service(payroll, settings):
    @payroll.tool
    async def payslip(http, month: str) -> str:
        """Gets a payslip."""
        return settings["currency"]
'''


def faults(environment: dict[str, str]) -> ConfigurationError:
    """The faults of these variables."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environment)
    return caught.value


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


@pytest.fixture
def read_declared(tmp_path):
    """Reads a file of services: its declarations, and its faults."""

    def read(text: str):
        (tmp_path / "services.toml").write_text(text)
        file, faults = read_services_file(tmp_path / "services.toml")
        return file.services, faults

    return read


@pytest.fixture
def made_of_variables(sandbox, tmp_path):
    """Makes the services of the variables and of a file."""

    def make(text: str, installed=()):
        (tmp_path / "services.toml").write_text(text)
        (tmp_path / "payroll.py").write_text(PAYROLL)
        file = str(tmp_path / "services.toml")
        settings = read_settings(sandbox.environment | {"SERVICES_FILE": file})
        return services(settings, sandbox.ssl_context, installed)

    return make


@pytest.fixture
def made(made_of_variables):
    """Makes the services of a file, without those of the variables."""
    return lambda text, installed=(): made_of_variables(text, installed)[3:]
