"""The SDK configuration file: read as the SDK reads it, and every fault named."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloud_idaas.core.config import IDaaSClientConfig
from cloud_idaas.core.util import NormalizeUtil

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.own_credential import (
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
)
from identity.idaas.configuration import read_sdk_configuration
from tests.identity.idaas.sdk_configurations import ENVIRONMENT, GENERATED, SECRET, faults, parsed, with_authn


def snake(content: Any) -> Any:
    from cloud_idaas.core.util.string_util import StringUtil

    if not isinstance(content, dict):
        return content
    return {StringUtil.camel_to_snake(name): snake(value) for name, value in content.items()}


def test_generated_file_of_the_console_is_read() -> None:
    configuration = parsed(GENERATED)
    assert configuration.instance_id == "idaas_example01"
    assert configuration.client_id == "app_agent01"
    assert configuration.developer_api_endpoint == "https://eiam-developerapi.cn-hangzhou.aliyuncs.com"
    assert (configuration.connect_timeout, configuration.read_timeout) == (3.0, 4.5)
    assert isinstance(configuration.client_authentication, ClientSecretPost)
    assert SECRET not in repr(configuration)


def test_file_of_the_demo_is_read() -> None:
    authn = {"authenticationSubject": "CLIENT", **GENERATED["authnConfiguration"]}
    del authn["identityType"]
    assert parsed({**GENERATED, "authnConfiguration": authn})


def test_snake_case_is_read_like_camel_case() -> None:
    assert parsed(snake(GENERATED)) == parsed(GENERATED)


def test_unknown_members_are_ignored() -> None:
    assert parsed({**GENERATED, "comment": {"any": ["thing"]}}) == parsed(GENERATED)


@pytest.mark.parametrize("member", ["httpConfiguration", "scope", "openApiEndpoint"])
def test_optional_members_have_the_sdks_defaults(member: str) -> None:
    without = {name: value for name, value in GENERATED.items() if name != member}
    ours, theirs = parsed(without), IDaaSClientConfig.from_dict(without)
    assert ours.connect_timeout * 1000 == theirs.http_configuration.connect_timeout
    assert ours.read_timeout * 1000 == theirs.http_configuration.read_timeout


@pytest.mark.parametrize(
    "endpoint",
    ["https://h.example/a", "http://h.example/a", "h.example/a", "localhost:9443/a", "http://localhost:1/a"],
)
def test_endpoints_become_https_as_in_the_sdk(endpoint: str) -> None:
    content = {**GENERATED, "issuer": endpoint, "tokenEndpoint": endpoint}
    theirs = IDaaSClientConfig.from_dict(content)
    NormalizeUtil.normalize_endpoints(theirs)
    ours = parsed(content)
    assert (ours.issuer, ours.token_endpoint) == (theirs.issuer, theirs.token_endpoint)


@pytest.mark.parametrize("endpoint", ["h.example", "https://h.example", "http://h.example/", "h.example/"])
def test_developer_api_endpoint_may_have_a_scheme(endpoint: str) -> None:
    assert (
        parsed({**GENERATED, "developerApiEndpoint": endpoint}).developer_api_endpoint == "https://h.example"
    )


REQUIRED = [
    "idaasInstanceId",
    "clientId",
    "issuer",
    "tokenEndpoint",
    "developerApiEndpoint",
    "authnConfiguration",
]


@pytest.mark.parametrize("member", REQUIRED)
@pytest.mark.parametrize("value", [..., None, ""])
def test_missing_member_is_named(member: str, value: Any) -> None:
    content = {**GENERATED, member: value}
    if value is ...:
        del content[member]
    if (member, value) == ("authnConfiguration", ""):
        value = {}
        content[member] = value
    assert faults(content) == (f'member "{member}" is missing',)


def test_all_faults_are_reported_at_once() -> None:
    found = faults({})
    assert len(found) == len(REQUIRED)
    assert all(any(f'"{member}"' in fault for fault in found) for member in REQUIRED)


@pytest.mark.parametrize(
    ("content", "member"),
    [
        ({**GENERATED, "clientId": 7}, "clientId"),
        ({**GENERATED, "clientId": " app"}, "clientId"),
        ({**GENERATED, "clientId": "app\n"}, "clientId"),
        ({**GENERATED, "issuer": "https://user@h.example/"}, "issuer"),
        ({**GENERATED, "issuer": "https://h.example/?q"}, "issuer"),
        ({**GENERATED, "issuer": "https://"}, "issuer"),
        ({**GENERATED, "issuer": ["https://h.example"]}, "issuer"),
        ({**GENERATED, "tokenEndpoint": "https://h.example/token#x"}, "tokenEndpoint"),
        ({**GENERATED, "tokenEndpoint": "https://h.example:port/token"}, "tokenEndpoint"),
        ({**GENERATED, "developerApiEndpoint": "h.example/v2"}, "developerApiEndpoint"),
        ({**GENERATED, "scope": "read write"}, "scope"),
        ({**GENERATED, "scope": "a|read b|read"}, "scope"),
        ({**GENERATED, "scope": "a|b|c"}, "scope"),
        ({**GENERATED, "authnConfiguration": "CLIENT_SECRET_POST"}, "authnConfiguration"),
        ({**GENERATED, "httpConfiguration": []}, "httpConfiguration"),
        ({**GENERATED, "httpConfiguration": {"connectTimeout": 1999}}, "httpConfiguration.connectTimeout"),
        ({**GENERATED, "httpConfiguration": {"readTimeout": 60001}}, "httpConfiguration.readTimeout"),
        ({**GENERATED, "httpConfiguration": {"readTimeout": "5000"}}, "httpConfiguration.readTimeout"),
        ({**GENERATED, "httpConfiguration": {"readTimeout": True}}, "httpConfiguration.readTimeout"),
        (
            {**GENERATED, "httpConfiguration": {"unsafeIgnoreSslCert": True}},
            "httpConfiguration.unsafeIgnoreSslCert",
        ),
        (
            {**GENERATED, "httpConfiguration": {"unsafeIgnoreSslCert": "no"}},
            "httpConfiguration.unsafeIgnoreSslCert",
        ),
        (with_authn(identityType="HUMAN"), "authnConfiguration.identityType"),
        (with_authn(identityType="ROBOT"), "authnConfiguration.identityType"),
        (with_authn(authnMethod=None), "authnConfiguration.authnMethod"),
        (with_authn(authnMethod="client_secret_post"), "authnConfiguration.authnMethod"),
        (with_authn(clientSecretEnvVarName=None), "authnConfiguration.clientSecretEnvVarName"),
        (with_authn(clientSecretEnvVarName="NOT_SET"), "authnConfiguration.clientSecretEnvVarName"),
        (with_authn(authnMethod="PRIVATE_KEY_JWT"), "authnConfiguration.privateKeyEnvVarName"),
    ],
)
def test_wrong_member_is_named(content: dict[str, Any], member: str) -> None:
    (fault,) = faults(content)
    assert f'member "{member}"' in fault


def test_method_of_public_clients_is_refused() -> None:
    (fault,) = faults(with_authn(authnMethod="NONE"))
    assert '"NONE" is for public clients' in fault


@pytest.mark.parametrize(
    ("method", "members"),
    [
        ("PKCS7", ["applicationFederatedCredentialName", "clientDeployEnvironment"]),
        ("OIDC", ["applicationFederatedCredentialName", "clientDeployEnvironment", "oidcTokenFilePath"]),
        ("PCA", ["applicationFederatedCredentialName", "clientX509Certificate", "x509CertChains"]),
        ("PLUGIN", ["pluginName"]),
    ],
)
def test_every_missing_member_of_a_method_is_named_at_once(method: str, members: list[str]) -> None:
    found = faults({"authnConfiguration": {"authnMethod": method}})
    for member in [*(f"authnConfiguration.{name}" for name in members), "idaasInstanceId", "clientId"]:
        assert any(f'member "{member}"' in fault for fault in found)


@pytest.mark.parametrize(("method", "environment"), [("PKCS7", "AWS_EC2"), ("OIDC", "ALIBABA_CLOUD_ACK")])
def test_environment_that_the_sdk_does_not_serve_is_a_fault(method: str, environment: str) -> None:
    found = faults(with_authn(authnMethod=method, clientDeployEnvironment=environment))
    assert any('member "authnConfiguration.clientDeployEnvironment" must be' in fault for fault in found)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("CLIENT_SECRET_POST", ClientSecretPost),
        ("CLIENT_SECRET_BASIC", ClientSecretBasic),
        ("CLIENT_SECRET_JWT", ClientSecretJwt),
    ],
)
def test_each_method_with_a_secret_is_read(method: str, kind: type) -> None:
    assert isinstance(parsed(with_authn(authnMethod=method)).client_authentication, kind)


@pytest.mark.parametrize("secret", ["-----BEGIN PRIVATE KEY-----", "", " ", f"{SECRET}\n", f" {SECRET}"])
def test_implausible_secret_is_a_fault(secret: str) -> None:
    (fault,) = faults(GENERATED, {"IDAAS_CLIENT_SECRET": secret})
    assert 'member "authnConfiguration.clientSecretEnvVarName"' in fault


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"clientId": "a",}', b"\xef\xbb\xbf{}"]
)
def test_file_that_is_not_a_json_object_is_a_fault(text: bytes) -> None:
    (fault,) = faults(text)
    assert "JSON" in fault


def test_duplicate_member_is_a_fault() -> None:
    (fault,) = faults({**GENERATED, "client_id": "app_other"})
    assert '"client_id" is given twice' in fault


def test_unreadable_file_is_a_fault_with_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(ConfigurationError) as caught:
            read_sdk_configuration(path, ENVIRONMENT)
        assert caught.value.code is IdentityCode.SDK_CONFIG_UNREADABLE
        assert str(path) in caught.value.detail


def test_file_on_disk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "client-config.json"
    path.write_text(json.dumps(GENERATED))
    assert read_sdk_configuration(path, ENVIRONMENT) == parsed(GENERATED)
