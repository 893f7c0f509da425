"""`PCA`: a certificate of a private authority, and an assertion signed with its key (RFC 7523)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from identity.idaas.client_authentication.declaration import (
    Declaration,
    PrivateKey,
    assertion_algorithm,
    read_client_key,
    read_credential_name,
)
from identity.idaas.client_authentication.method import TokenRequest, federated_form
from identity.idaas.client_authentication.own_credential import OwnCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Pca(OwnCredential[PrivateKey]):
    """See the module. Certificate and chain are sent as the configuration file has them, in PEM."""

    credential_name: str
    certificate: str = field(repr=False)
    chain: str = field(repr=False)
    not_after: datetime

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        key = await self.credential.current()
        assertion = self._assertion(key, assertion_algorithm(key))
        form = federated_form(self.client_id, self.credential_name, "x509-jwt-bearer", assertion)
        form |= {"client_x509": self.certificate, "client_x509_chain": self.chain}
        return request.by_client(form, presented=key)

    async def inspect(self) -> str:
        return (
            f"a certificate valid until {self.not_after:%F}, its chain, and an assertion by its key; "
            f'federated credential "{self.credential_name}"'
        )


def read_pca(declared: Declaration) -> Pca | None:
    """Reads `applicationFederatedCredentialName`, `clientX509Certificate`, `x509CertChains` and the key.

    A certificate that has expired, is of another key, or was not issued by one of the chain is a fault. Which
    roots IDaaS accepts is not known here.
    """
    authn = declared.authn
    faults_before = len(declared.root.faults)
    name = read_credential_name(declared)
    certificate = authn.pem(_CERTIFICATE)
    chain = authn.pem(_CHAIN)
    if not certificate or not chain:
        read_client_key(declared)
        return None
    leaf, not_after = check_certificates(certificate, chain, declared.clock(), authn.fault)

    def check_key(key: PrivateKey) -> None:
        if leaf is not None and leaf.public_key() != key.public_key():
            raise ValueError(f"is not the private key of {_CERTIFICATE}")

    key = read_client_key(declared, check_key)
    if key is None or len(declared.root.faults) > faults_before or not_after is None:
        return None
    return Pca(
        *(declared.client_id, key, declared.token_endpoint, declared.clock),
        credential_name=name,
        certificate=certificate,
        chain=chain,
        not_after=not_after,
    )


_CERTIFICATE = "clientX509Certificate"
_CHAIN = "x509CertChains"


def check_certificates(
    certificate: str, chain: str, now: float, fault: Callable[[str, str], None]
) -> tuple[x509.Certificate | None, datetime | None]:
    """The certificate, and the earliest end of one of the chain; `None` for what cannot be read.

    `fault` receives a member and a sentence unless both are in PEM, valid at `now`, and the certificate was
    issued by one of the chain.

    Not checked: revocation, and whether the last one is issued by a root that IDaaS accepts. Signatures are
    verified, names and extensions are not.
    """
    try:
        (leaf,) = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        fault(_CERTIFICATE, "must be one certificate in PEM form")
        return None, None
    try:
        issuers = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        fault(_CHAIN, "must be certificates in PEM form")
        return leaf, None
    moment = datetime.fromtimestamp(now, UTC)
    for member, certificates in ((_CERTIFICATE, [leaf]), (_CHAIN, issuers)):
        for valid in certificates:
            if moment >= valid.not_valid_after_utc:
                fault(member, f"has expired, on {valid.not_valid_after_utc:%F}")
            if moment < valid.not_valid_before_utc:
                fault(member, f"is valid from {valid.not_valid_before_utc:%F}: is the clock right?")
    if not any(_issued(leaf, issuer) for issuer in issuers):
        fault(_CHAIN, f"has no certificate that issued {_CERTIFICATE}")
    return leaf, min(item.not_valid_after_utc for item in (leaf, *issuers))


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
