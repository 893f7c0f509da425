"""Application federated credentials: shared checks, certificate chains (RFC 5280, section 6), OIDC."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Literal

from cryptography import x509
from cryptography.x509 import verification

from sandbox.federation.id_token import IDAAS_AUDIENCE, IdTokenRefusedError
from sandbox.idaas.client_authentication.own_secret import known_client
from sandbox.oauth_error import OAuthError, required
from sandbox.state.cloud import Cloud
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


def verify_chain(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    *,
    now: float,
    revoked: Callable[[x509.Certificate], bool] = lambda _: False,
) -> None:
    """Signatures, dates and CA flag of every certificate, and the revocation list of the leaf's issuer.

    `intermediates` may contain the root. Names, key usage and policies are not checked: the federated
    credential decides which certificate is the application's.
    """
    at = dt.datetime.fromtimestamp(now, dt.UTC)
    if at > leaf.not_valid_after_utc:
        raise refused("expired", "the certificate has expired")
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(at)
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.permit_all().require_present(
                x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
            ),
            ee_policy=verification.ExtensionPolicy.permit_all(),
        )
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf, [c for c in intermediates if c not in roots])
    except verification.VerificationError as error:
        raise refused("chain", "the certificate does not chain to a trusted root") from error
    if revoked(leaf):
        raise refused("revoked", "the certificate is revoked")


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
