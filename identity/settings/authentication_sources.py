"""Makes what client authentication needs beside the configuration file, from the variables."""

import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from identity.idaas.client_authentication.declaration import AuthenticationSources, NamedFile
from identity.idaas.client_authentication.metadata_service import MetadataService
from identity.idaas.client_authentication.role_credential import (
    RenewedCredential,
    RequestHeaderRole,
    RoleCredential,
)
from identity.idaas.client_authentication.role_sources import CredentialsUri, EcsRole, OidcRole
from identity.secrets.secret_file import FixedSecret, SecretSource
from identity.settings.variables import ClientVariables, RoleVariables
from identity.transport.client import direct_client, http_client

_SECONDS: Final = 10.0
"""The timeout of a request for the role's credential."""


class AuthenticationVariables(RoleVariables, ClientVariables):
    """The variables of client authentication."""


def authentication_sources(
    given: Mapping[str, str], authorities: str | None, clock: Callable[[], float] = time.time
) -> AuthenticationSources:
    """The sources that client authentication needs beside the configuration file. Opens no connection.

    `given` has the variables in lower case; those that are invalid count as not set, and are reported by
    `read_settings`. `authorities` is a PEM bundle to trust in place of the public authorities.
    """
    own = {name: value for name, value in given.items() if name in AuthenticationVariables.model_fields}
    try:
        variables = AuthenticationVariables.model_validate(own)
    except ValidationError as error:
        invalid = {str(fault["loc"][0]) for fault in error.errors()}
        variables = AuthenticationVariables.model_validate({n: v for n, v in own.items() if n not in invalid})
    metadata = MetadataService(variables.ecs_metadata_endpoint)
    return AuthenticationSources(
        client_secret_file=_named_file(variables.idaas_client_secret_file, "IDAAS_CLIENT_SECRET_FILE"),
        private_key_file=_named_file(variables.env_private_key_file, "ENV_PRIVATE_KEY_FILE"),
        metadata=metadata,
        role=_role(variables, metadata, authorities, clock),
        subject_token_in=variables.openapi_subject_token_in,
    )


def _named_file(path: Path | None, setting: str) -> NamedFile | None:
    return None if path is None else NamedFile(path, setting)


def _role(
    variables: RoleVariables, metadata: MetadataService, authorities: str | None, clock: Callable[[], float]
) -> SecretSource[RoleCredential] | None:
    """The first source that the variables name; request headers, where they are chosen, before it."""
    source = _named_role(variables, authorities, clock)
    # Function Compute has no metadata service.
    if source is None and not (variables.alibaba_cloud_ecs_metadata_disabled or variables.fc_region):
        role = EcsRole(metadata, variables.alibaba_cloud_ecs_metadata or "")
        source = RenewedCredential(role, clock=clock)
    return RequestHeaderRole(source) if variables.fc_credentials_from_headers else source


def _named_role(
    v: RoleVariables, authorities: str | None, clock: Callable[[], float]
) -> SecretSource[RoleCredential] | None:
    """The source that the variables name, in the vendor's order, but a URI before ECS, which is presumed."""
    if v.alibaba_cloud_access_key_id and v.alibaba_cloud_access_key_secret:
        secret = v.alibaba_cloud_access_key_secret
        token = v.alibaba_cloud_security_token
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
