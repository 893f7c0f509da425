"""The client certificate and its chain, checked as far as the agent can."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from identity.idaas.client_authentication.private_key import PrivateKey

_CERTIFICATE, _CHAIN = "clientX509Certificate", "x509CertChains"


@dataclass(frozen=True, slots=True)
class CheckedCertificates:
    """`faults` are pairs of a member and a sentence; `not_after` is the earliest end of a certificate."""

    faults: tuple[tuple[str, str], ...]
    not_after: datetime | None = None
    leaf: x509.Certificate | None = field(default=None, repr=False)

    def check_key(self, key: PrivateKey) -> None:
        """Raises `ValueError` if `key` is not that of the certificate."""
        if self.leaf is not None and self.leaf.public_key() != key.public_key():
            raise ValueError("is not the private key of clientX509Certificate")


def check_certificates(certificate: str, chain: str, now: float) -> CheckedCertificates:
    """The certificate and its chain in PEM: readable, valid at `now`, each issued by another of the chain.

    Not checked: revocation, and whether the last one is issued by a root that IDaaS accepts. Signatures are
    verified, names and extensions are not.
    """
    faults = []
    try:
        (leaf,) = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return CheckedCertificates(((_CERTIFICATE, "must be one certificate in PEM form"),))
    try:
        above = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        return CheckedCertificates(((_CHAIN, "must be certificates in PEM form"),), leaf=leaf)
    moment = datetime.fromtimestamp(now, UTC)
    for member, each in ((_CERTIFICATE, leaf), *((_CHAIN, one) for one in above)):
        if moment >= each.not_valid_after_utc:
            faults.append((member, f"has expired, on {each.not_valid_after_utc:%F}"))
        if moment < each.not_valid_before_utc:
            faults.append((member, f"is valid from {each.not_valid_before_utc:%F}: is the clock right?"))
    if not any(_issued(leaf, issuer) for issuer in above):
        faults.append((_CHAIN, f"has no certificate that issued {_CERTIFICATE}"))
    ends = min(each.not_valid_after_utc for each in (leaf, *above))
    return CheckedCertificates(tuple(faults), ends, leaf)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
