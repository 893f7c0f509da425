"""A certificate and its chain up to a trusted root (RFC 5280, section 6)."""

import datetime as dt
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.x509 import verification

from sandbox.idaas.client_authentication.federated_credential import refused


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
