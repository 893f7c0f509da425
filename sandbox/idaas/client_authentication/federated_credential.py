"""The application federated credential that a request names: the second of IDaaS's two checks."""

from typing import Literal

from sandbox.idaas.client_authentication.secrets import known_client
from sandbox.oauth_error import OAuthError, required
from sandbox.state.directory import Application, Directory, FederatedCredential

DESCRIPTION = "client authentication failed"
"""All that the caller learns; the event has the reason."""


def refused(reason: str, detail: str) -> OAuthError:
    """The refusal of every federated method: `invalid_client`; `reason` and detail are for the event only."""
    return OAuthError(
        "invalid_client", DESCRIPTION, reason=f"{reason}: {detail}", expired=reason == "expired"
    )


def named_credential(
    directory: Directory, parameters: dict[str, str], kind: Literal["pkcs7", "oidc", "pca"]
) -> tuple[Application, FederatedCredential]:
    """The client, and its credential by `application_federated_credential_name`, which must be of `kind`."""
    client = known_client(directory, required(parameters, "client_id"))
    name = required(parameters, "application_federated_credential_name")
    credential = client.federated_credential(name)
    if credential is None:
        raise refused("unknown_credential", "the application has no federated credential of this name")
    if credential.kind != kind:
        raise refused("wrong_kind", f'the federated credential is of kind "{credential.kind}", not "{kind}"')
    return client, credential


def check_identity(credential: FederatedCredential, identity: str) -> None:
    """The verified identity must be one that the credential allows."""
    if identity not in credential.identities:
        raise refused("unknown_identity", f'"{identity}" is not allowed by the federated credential')
