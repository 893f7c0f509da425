"""`PCA`: a certificate of a private authority, and an assertion signed with its key (RFC 7523)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import jwt

from identity.idaas.client_authentication.assertion import assertion_claims
from identity.idaas.client_authentication.certificates import check_certificates
from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.federated_credential import federated_form, read_credential_name
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.idaas.client_authentication.private_key import PrivateKey, assertion_algorithm
from identity.idaas.client_authentication.private_key_member import read_client_key
from identity.secrets.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class Pca(ClientAuthentication):
    """See the module. Certificate and chain are sent as the configuration file has them, in PEM."""

    client_id: str
    credential_name: str
    certificate: str = field(repr=False)
    chain: str = field(repr=False)
    not_after: datetime
    key: SecretSource[PrivateKey] = field(repr=False)
    token_endpoint: str
    clock: Callable[[], float] = time.time

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        """See `ClientAuthentication`."""
        key = await self.key.current()
        claims = assertion_claims(self.client_id, self.token_endpoint, self.clock())
        assertion = jwt.encode(claims, key, algorithm=assertion_algorithm(key))
        form = federated_form(self.client_id, self.credential_name, "x509-jwt-bearer", assertion)
        form |= {"client_x509": self.certificate, "client_x509_chain": self.chain}
        return request.by_client(form, presented=key)

    async def renew(self, refused: TokenRequest) -> bool:
        """See `ClientAuthentication`. The other key of the file, or its new content."""
        return await self.key.renew(refused.presented)

    async def inspect(self) -> str:
        """See `ClientAuthentication`."""
        return (
            f"a certificate valid until {self.not_after:%F}, its chain, and an assertion by its key; "
            f'federated credential "{self.credential_name}"'
        )


def read_pca(declared: Declaration) -> Pca | None:
    """From `applicationFederatedCredentialName`, `clientX509Certificate`, `x509CertChains` and the key.

    A certificate that has expired, is of another key, or was not issued by one of the chain is a fault. Which
    roots IDaaS accepts is not known here.
    """
    authn, faults = declared.authn, len(declared.root.faults)
    name = read_credential_name(declared)
    certificate, chain = authn.pem("clientX509Certificate"), authn.pem("x509CertChains")
    if not certificate or not chain:
        read_client_key(declared)
        return None
    checked = check_certificates(certificate, chain, declared.clock())
    for member, fault in checked.faults:
        authn.fault(member, fault)
    key = read_client_key(declared, checked.check_key)
    if key is None or len(declared.root.faults) > faults or checked.not_after is None:
        return None
    return Pca(
        declared.client_id,
        name,
        certificate,
        chain,
        checked.not_after,
        key,
        declared.token_endpoint,
        declared.clock,
    )
