"""An issuer of access tokens in this process, with which the verifier is measured."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from identity.access_token.revocation_list import RevocationList
from identity.access_token.verifier import AccessTokenVerifier
from identity.signing_keys.signing_key import SigningKey, signing_key

AUDIENCE: Final = "https://agent.benchmark.example"
SCOPE: Final = "agent.access"
ISSUER: Final = "https://idaas.benchmark.example/api/v2/iauths_system/oauth2"


class Issuer:
    """Signs with one RSA key of 2048 bits, as IDaaS does. Also a `KeySource` with that key."""

    def __init__(self) -> None:
        self.private_key: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.private_key.public_key().public_numbers()
        members = {"kty": "RSA", "kid": "benchmark", "use": "sig"}
        members |= {"n": base64url(numbers.n.to_bytes(256, "big")), "e": base64url(b"\1\0\1")}
        key = signing_key(members)
        assert key is not None
        self.key: Final[SigningKey] = key

    def access_token(self, subject: str = "user_1", *, lifetime: int = 3600) -> str:
        """An access token for the agent, about as long as those of IDaaS."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": AUDIENCE,
            "scope": SCOPE,
            "iat": now,
            "exp": now + lifetime,
            "jti": f"id-of-{subject}",
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key.kid}
        signing_input = f"{_part(header)}.{_part(claims)}"
        signature = self.private_key.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signing_input}.{base64url(signature)}"

    def verifier(
        self, *, cache_size: int = 10_000, revocations: RevocationList | None = None
    ) -> AccessTokenVerifier:
        """The agent's verifier for these tokens."""
        return AccessTokenVerifier(
            issuer=ISSUER,
            audience=AUDIENCE,
            scope=SCOPE,
            keys=self,
            cache_size=cache_size,
            revocations=revocations,
        )

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`."""
        return self.key if (kid, algorithm) == (self.key.kid, self.key.algorithm) else None

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`."""
        return self.cached(kid, algorithm)


def base64url(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _part(members: Mapping[str, Any]) -> str:
    return base64url(json.dumps(members, separators=(",", ":")).encode())
