"""What the issuers give out now, and what IDaaS needs to verify it."""

from collections.abc import Callable, Set
from typing import Any

from cryptography import x509

from sandbox.federation.id_token import IDAAS_AUDIENCE, signing_key, verified_claims, workload_token
from sandbox.federation.instance_document import signed_document
from sandbox.federation.keys import FederationKeys, certified_key
from sandbox.state.settings import Settings
from sandbox.state.signing_keys import Jwks


class Federation:
    """Three issuers: machine documents, workload tokens, certificates of a private authority."""

    def __init__(
        self, keys: FederationKeys, issuer: str, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self.keys = keys
        self.issuer = issuer
        certificates = keys.certificates()
        self.document_roots = [certificates["document_root"]]
        self.agent_roots = [certificates["agent_root"]]
        self.id_token_key = signing_key(keys.id_token_key)
        self._document_signer = certified_key(keys.document_certificate, keys.document_key)
        self._agent_serial = certificates["agent_certificate"].serial_number
        self._settings = settings
        self._clock = clock

    def document(self, audience: str | None) -> str:
        """The document about the machine whose id is `settings.ecs_instance_id`."""
        return signed_document(self._document_signer, self._settings.ecs_instance_id, audience)

    def id_token(
        self, audience: str = IDAAS_AUDIENCE, *, lifetime: int | None = None, **claims: object
    ) -> str:
        """A token of the workload for `audience`, good for `settings.workload_token_lifetime`."""
        seconds = self._settings.workload_token_lifetime if lifetime is None else lifetime
        return workload_token(
            self.id_token_key,
            issuer=self.issuer,
            audience=audience,
            now=self._clock(),
            lifetime=seconds,
            **claims,
        )

    def verify_id_token(self, token: str, audiences: Set[str]) -> dict[str, Any]:
        """The claims of a good token for one of `audiences`. Raises IdTokenRefusedError."""
        return verified_claims(
            token, self.id_token_key, issuer=self.issuer, audiences=audiences, now=self._clock()
        )

    def jwks(self) -> Jwks:
        """The JWKS of the workload tokens' issuer: public members only."""
        return {"keys": [self.id_token_key.as_dict(private=False)]}

    def revoked(self, certificate: x509.Certificate) -> bool:
        """Whether the private authority's revocation list names it: `settings.agent_certificate_revoked`."""
        return self._settings.agent_certificate_revoked and certificate.serial_number == self._agent_serial
