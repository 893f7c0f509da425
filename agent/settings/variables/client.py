"""The variables of the agent as a client of IDaaS: its configuration file, and its secrets."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from agent.settings.values import VariableGroup, local_url
from identity.idaas.client_authentication.declaration import SubjectTokenIn
from identity.idaas.client_authentication.metadata_service import METADATA_ENDPOINT
from identity.idaas.configuration import DEFAULT_PATH


def _metadata_endpoint(value: str) -> str:
    if urlsplit(local_url(value)).path not in ("", "/") or "?" in value:
        raise ValueError("must be an address without path and query")
    return value.rstrip("/")


class ClientVariables(VariableGroup):
    """How the agent authenticates to IDaaS.

    The client's secret or key is not among the fields: the SDK configuration names its variable.
    """

    cloud_idaas_config_path: Path = Field(
        DEFAULT_PATH,
        description="The IDaaS SDK configuration file, as the IDaaS console generates it.",
    )
    idaas_client_secret_file: Path | None = Field(
        None,
        description="A file with the client secret, in place of the variable that `clientSecretEnvVarName`"
        " names. A change is taken up within seconds. On a second line: another secret, tried if IDaaS"
        " refuses the first.",
    )
    env_private_key_file: Path | None = Field(
        None,
        description="A file with the client's private key (PEM), in place of the variable that"
        " `privateKeyEnvVarName` names. A change is taken up within seconds. A second key below the first is"
        " tried if IDaaS refuses the first.",
    )
    ecs_metadata_endpoint: Annotated[str, AfterValidator(_metadata_endpoint)] = Field(
        METADATA_ENDPOINT,
        description="The metadata service (`PKCS7`, and `PLUGIN` on ECS). Plain http is allowed to the"
        " platform's address and to loopback addresses.",
    )
    openapi_subject_token_in: SubjectTokenIn = Field(
        SubjectTokenIn.BODY,
        description="Where the user's access token is in a request of the OpenAPI (`PLUGIN` in Human"
        " identity): `body`, or `query`, where every proxy may log it.",
    )
