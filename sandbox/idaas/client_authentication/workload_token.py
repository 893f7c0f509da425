"""OIDC: an ID token of another issuer, which the federated credential provider trusts."""

from sandbox.federation.id_token import IDAAS_AUDIENCE, IdTokenRefusedError
from sandbox.idaas.client_authentication.federated_credential import check_identity, named_credential, refused
from sandbox.oauth_error import required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application

AUDIENCES = frozenset({IDAAS_AUDIENCE})
"""The audiences that the provider accepts."""


def by_workload_token(cloud: Cloud, parameters: dict[str, str]) -> Application:
    """The client whose federated credential allows the token's subject.

    Checked: signature by a key of the issuer's JWKS, `iss`, `aud`, `exp`, `nbf`, `sub`. A token may be used
    until it expires. A newline at its end is accepted while `settings.workload_token_newline` is on.
    """
    client, credential = named_credential(cloud.directory, parameters, "oidc")
    token = required(parameters, "client_assertion")
    if cloud.settings.workload_token_newline:
        token = token.rstrip("\r\n")
    try:
        claims = cloud.federation.verify_id_token(token, AUDIENCES)
    except IdTokenRefusedError as error:
        raise refused(error.reason, str(error)) from error
    check_identity(credential, str(claims.get("sub")))
    return client
