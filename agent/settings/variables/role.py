"""The variables of the execution role's credential (`PLUGIN`), and the source that they choose.

Names that begin with `ALIBABA_CLOUD_` are those of the vendor's credentials library.
"""

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, InstanceOf

from agent.settings.values import VariableGroup, local_url, secret_value
from identity.idaas.client_authentication.metadata_service import MetadataService
from identity.idaas.client_authentication.role_credential import (
    RenewedCredential,
    RequestHeaderRole,
    RoleCredential,
)
from identity.idaas.client_authentication.role_sources import CredentialsUri, EcsRole, OidcRole
from identity.secrets.secret import Secret
from identity.secrets.secret_source import FixedSecret, SecretSource
from identity.transport.client import direct_client, http_client
from identity.transport.secure_url import is_secure_url

_SECONDS: Final = 10.0


def _host(value: str) -> str:
    host = value.removeprefix("https://").rstrip("/")
    if not is_secure_url(f"https://{host}") or set(host) & set("/?#"):
        raise ValueError("must be a host, optionally with a port")
    return host


class RoleVariables(VariableGroup):
    """Where the credential of the execution role comes from."""

    fc_credentials_from_headers: bool = Field(
        default=False,
        description="Whether the role credential is taken from the `x-fc-*` headers of each authenticated"
        " request (`PLUGIN`). Only on Function Compute, whose platform removes what clients send.",
    )
    fc_region: str | None = Field(
        None, description="Set by Function Compute: the agent runs there.", pattern=r"^\S+$"
    )
    alibaba_cloud_access_key_id: str | None = Field(
        None,
        description="The role credential (`PLUGIN`): its access key id.",
        pattern=r"^[!-~]+$",
        repr=False,
    )
    alibaba_cloud_access_key_secret: Annotated[InstanceOf[Secret], secret_value] | None = Field(
        None, description="The role credential: its access key secret."
    )
    alibaba_cloud_security_token: Annotated[InstanceOf[Secret], secret_value] | None = Field(
        None, description="The role credential: the security token of a temporary access key (STS)."
    )
    alibaba_cloud_credentials_uri: Annotated[str, AfterValidator(local_url)] | None = Field(
        None, description="Where the platform serves the role credential as JSON.", repr=False
    )
    alibaba_cloud_role_arn: str | None = Field(
        None, description="The RAM role to assume with the token of `ALIBABA_CLOUD_OIDC_TOKEN_FILE`."
    )
    alibaba_cloud_oidc_provider_arn: str | None = Field(
        None, description="The OIDC provider that the role trusts."
    )
    alibaba_cloud_oidc_token_file: Path | None = Field(
        None, description="The file with the token for the role, such as that of RRSA on ACK."
    )
    alibaba_cloud_role_session_name: str = Field(
        "idaas-agent", description="The name of the role's session, as audit logs show it."
    )
    alibaba_cloud_sts_endpoint: Annotated[str, AfterValidator(_host)] = Field(
        "sts.aliyuncs.com", description="The host of STS for `ALIBABA_CLOUD_ROLE_ARN`."
    )
    alibaba_cloud_ecs_metadata: str | None = Field(
        None, description="The name of the ECS instance's role. Without it the metadata service names it."
    )
    alibaba_cloud_ecs_metadata_disabled: bool = Field(
        default=False, description="Whether the role credential is never requested from the metadata service."
    )


def role_source(
    variables: RoleVariables,
    metadata: MetadataService,
    authorities: str | None,
    clock: Callable[[], float],
) -> SecretSource[RoleCredential] | None:
    """The first source that the variables name; request headers, where they are chosen, before it."""
    source = _named(variables, authorities, clock)
    # Function Compute has no metadata service.
    if source is None and not (variables.alibaba_cloud_ecs_metadata_disabled or variables.fc_region):
        role = EcsRole(metadata, variables.alibaba_cloud_ecs_metadata or "")
        source = RenewedCredential(role, clock=clock)
    return RequestHeaderRole(source) if variables.fc_credentials_from_headers else source


def _named(
    v: RoleVariables, authorities: str | None, clock: Callable[[], float]
) -> SecretSource[RoleCredential] | None:
    """In the order of the vendor's library, but a URI before ECS: it is named, ECS is only presumed."""
    if v.alibaba_cloud_access_key_id and v.alibaba_cloud_access_key_secret:
        secret, token = v.alibaba_cloud_access_key_secret, v.alibaba_cloud_security_token
        return FixedSecret(RoleCredential(v.alibaba_cloud_access_key_id, secret, token, "default/env"))
    by_token = v.alibaba_cloud_role_arn and v.alibaba_cloud_oidc_provider_arn
    if by_token and v.alibaba_cloud_oidc_token_file:
        role = OidcRole(
            f"https://{v.alibaba_cloud_sts_endpoint}",
            v.alibaba_cloud_role_arn or "",
            v.alibaba_cloud_oidc_provider_arn or "",
            v.alibaba_cloud_oidc_token_file,
            v.alibaba_cloud_role_session_name,
            partial(http_client, ssl.create_default_context(cafile=authorities), _SECONDS),
            clock,
        )
        return RenewedCredential(role, clock=clock)
    if (uri := v.alibaba_cloud_credentials_uri) is not None:
        http = direct_client
        if not uri.startswith("http://"):
            http = partial(http_client, ssl.create_default_context(cafile=authorities), _SECONDS)
        return RenewedCredential(CredentialsUri(uri, http), clock=clock)
    return None
