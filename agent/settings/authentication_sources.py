"""From the variables to what client authentication needs beside the configuration file."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from agent.settings.values import TRUE
from agent.settings.variables.client import ClientVariables
from agent.settings.variables.role import RoleVariables, role_source
from identity.idaas.client_authentication.declaration import AuthenticationSources, NamedFile
from identity.idaas.client_authentication.metadata_service import MetadataService


class AuthenticationVariables(RoleVariables, ClientVariables):
    """The variables of client authentication."""


def authentication_sources(
    given: Mapping[str, str], authorities: str | None, clock: Callable[[], float] = time.time
) -> AuthenticationSources:
    """What client authentication needs beside the configuration file. Opens no connection.

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
        client_secret_file=_named(variables.idaas_client_secret_file, "IDAAS_CLIENT_SECRET_FILE"),
        private_key_file=_named(variables.env_private_key_file, "ENV_PRIVATE_KEY_FILE"),
        metadata=metadata,
        role=role_source(variables, metadata, authorities, clock),
        subject_token_in=variables.openapi_subject_token_in,
    )


def client_faults(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that must be set together, by the given variables in lower case."""
    faults = []
    key = [f"alibaba_cloud_access_key_{part}" in given for part in ("id", "secret")]
    if any(key) != all(key):
        faults.append("ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET must be set together")
    key_id = given.get("alibaba_cloud_access_key_id", "")
    if key_id.startswith("STS.") and "alibaba_cloud_security_token" not in given:
        faults.append("ALIBABA_CLOUD_SECURITY_TOKEN must be set for a temporary access key (STS.)")
    headers = given.get("fc_credentials_from_headers", "").lower() in TRUE
    if headers and "fc_region" not in given:
        faults.append(
            "FC_CREDENTIALS_FROM_HEADERS must not be true outside of Function Compute (FC_REGION is not set):"
            " there any client can send the headers"
        )
    return faults


def _named(path: Path | None, setting: str) -> NamedFile | None:
    return None if path is None else NamedFile(path, setting)
