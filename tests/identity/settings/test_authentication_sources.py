"""The variables by which the agent authenticates to IDaaS: which source they choose, and their faults."""

from pathlib import Path
from typing import Any

import pytest

from identity.idaas.client_authentication.declaration import NamedFile
from identity.idaas.client_authentication.role_credential import (
    RenewedCredential,
    RequestHeaderRole,
    RoleCredential,
)
from identity.idaas.client_authentication.role_sources import CredentialsUri, EcsRole, OidcRole
from identity.secrets.secret_file import FixedSecret
from identity.settings.authentication_sources import AuthenticationVariables, authentication_sources

KEY = {
    "alibaba_cloud_access_key_id": "STS.canary-id",
    "alibaba_cloud_access_key_secret": "canary-secret",
    "alibaba_cloud_security_token": "canary-token",
}
OIDC = {
    "alibaba_cloud_role_arn": "acs:ram::1:role/r",
    "alibaba_cloud_oidc_provider_arn": "acs:ram::1:oidc-provider/p",
    "alibaba_cloud_oidc_token_file": "/var/run/token",
}
URI = {"alibaba_cloud_credentials_uri": "http://localhost:9/credentials"}


def kind(given: dict[str, str]) -> Any:
    role = authentication_sources(given, None).role
    return type(role._fetch) if isinstance(role, RenewedCredential) else type(role)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (KEY | OIDC | URI, FixedSecret),
        (OIDC | URI, OidcRole),
        (URI, CredentialsUri),
        ({}, EcsRole),
        ({"alibaba_cloud_ecs_metadata_disabled": "true"}, type(None)),
        ({"fc_region": "cn-hangzhou"}, type(None)),
        ({"fc_region": "cn-hangzhou", "fc_credentials_from_headers": "true"}, RequestHeaderRole),
    ],
)
def test_role_credential_has_the_first_source_that_is_named(given: Any, expected: Any) -> None:
    assert kind(given) is expected


async def test_access_key_of_the_environment_is_the_role_credential() -> None:
    role = authentication_sources(KEY, None).role
    assert role is not None
    credential = await role.current()
    assert isinstance(credential, RoleCredential)
    assert credential.access_key_id == "STS.canary-id"
    assert credential.access_key_secret.reveal() == "canary-secret"
    assert credential.security_token is not None
    assert "canary-secret" not in repr(credential) + repr(role)
    assert "canary" not in repr(AuthenticationVariables.model_validate(KEY))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"alibaba_cloud_access_key_id": "x"}, "must be set together"),
        (KEY | {"alibaba_cloud_security_token": ""}, "ALIBABA_CLOUD_SECURITY_TOKEN must be set"),
    ],
)
def test_variables_that_belong_together_are_checked(given: dict[str, str], fault: str) -> None:
    (found,) = AuthenticationVariables.combination_faults(
        {name: value for name, value in given.items() if value}
    )
    assert fault in found
    assert "canary" not in found


@pytest.mark.parametrize(
    "url",
    [
        "http://100.100.100.201",
        "http://metadata.example",
        "http://user@100.100.100.200",
        "http://100.100.100.200:81",
        "ftp://localhost",
        "http://localhost/path",
        "http://localhost?x",
    ],
)
def test_metadata_service_is_not_moved_off_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        AuthenticationVariables(ecs_metadata_endpoint=url)


@pytest.mark.parametrize("url", ["http://100.100.100.200", "http://127.0.0.1:9400/", "http://[::1]:1"])
def test_metadata_service_is_at_the_platforms_address_or_on_loopback(url: str) -> None:
    assert AuthenticationVariables(ecs_metadata_endpoint=url).ecs_metadata_endpoint == url.rstrip("/")


def test_invalid_variables_leave_the_other_sources_in_use() -> None:
    given = {"ecs_metadata_endpoint": "http://elsewhere", "idaas_client_secret_file": "/secret"}
    sources = authentication_sources(given, None)
    assert sources.client_secret_file == NamedFile(Path("/secret"), "IDAAS_CLIENT_SECRET_FILE")
