"""Contents of the SDK's configuration file, and what the agent makes of them."""

import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.configuration import SdkConfiguration, read_sdk_configuration

SECRET = "CS-canary-0123456789abcdefghijklmnop"
ENVIRONMENT = {"IDAAS_CLIENT_SECRET": SECRET}
GENERATED: dict[str, Any] = {
    "idaasInstanceId": "idaas_example01",
    "clientId": "app_agent01",
    "issuer": "https://idaas.example/api/v2/iauths_system/oauth2",
    "tokenEndpoint": "https://idaas.example/api/v2/iauths_system/oauth2/token",
    "scope": "urn:cloud:idaas:pam|.all",
    "openApiEndpoint": "eiam.cn-hangzhou.aliyuncs.com",
    "developerApiEndpoint": "eiam-developerapi.cn-hangzhou.aliyuncs.com",
    "authnConfiguration": {
        "identityType": "CLIENT",
        "authnMethod": "CLIENT_SECRET_POST",
        "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET",
    },
    "httpConfiguration": {"connectTimeout": 3000, "readTimeout": 4500},
}


def with_authn(**members: Any) -> dict[str, Any]:
    return {**GENERATED, "authnConfiguration": {**GENERATED["authnConfiguration"], **members}}


def parsed(content: Any, environment: dict[str, str] = ENVIRONMENT) -> SdkConfiguration:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    with NamedTemporaryFile() as file:
        Path(file.name).write_bytes(text)
        return read_sdk_configuration(Path(file.name), environment)


def faults(content: Any, environment: dict[str, str] = ENVIRONMENT) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parsed(content, environment)
    assert caught.value.code is IdentityCode.SDK_CONFIG_UNREADABLE
    assert SECRET not in f"{caught.value} {caught.value.detail}"
    return caught.value.faults
