"""Shared by the identity tests: a clock that only tests move, keys, and an issuer that signs any token."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.access_token.verifier import AccessTokenVerifier
from identity.principal import Principal
from identity.secrets.secret import Secret
from identity.signing_keys.signing_key import SigningKey, signing_key
from tests.clock import Clock

NOW = 1_795_526_961.0


@dataclass
class StaticKeys:
    """A `KeySource` without I/O that counts the calls of `find`."""

    keys: dict[str, SigningKey] = field(default_factory=dict)
    finds: int = 0

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        fitting = [key for key in self.keys.values() if key.algorithm == algorithm]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.kid == kid), None)

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        self.finds += 1
        return self.cached(kid, algorithm)


def jwk(private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **members: Any) -> dict[str, Any]:
    """The public key as IDaaS publishes it; `members` override."""
    algorithm: Any = RSAAlgorithm if isinstance(private_key, rsa.RSAPrivateKey) else ECAlgorithm
    public: dict[str, Any] = algorithm.to_jwk(private_key.public_key(), as_dict=True)
    return {**public, "use": "sig", **members}


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Issuer:
    """Signs access tokens of any content; `keys` has those that it publishes."""

    rsa_key: rsa.RSAPrivateKey
    other_rsa_key: rsa.RSAPrivateKey
    ec_key: ec.EllipticCurvePrivateKey
    clock: Clock
    url: str = "https://idaas.example/api/v2/iauths_system/oauth2"
    audience: str = "https://agent.example"

    def __post_init__(self) -> None:
        self.keys = StaticKeys()
        self.publish("rsa-1", self.rsa_key)

    def publish(self, kid: str, private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        key = signing_key(jwk(private_key, kid=kid))
        assert key is not None
        self.keys.keys[kid] = key

    def claims(self, **overrides: Any) -> dict[str, Any]:
        """The claims of a good token; an override of `...` (Ellipsis) leaves the claim out."""
        claims = {
            "iss": self.url,
            "sub": "user_alice01",
            "aud": self.audience,
            "scope": "agent.access",
            "iat": int(self.clock.now),
            "exp": int(self.clock.now) + 1200,
            **overrides,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    def token(
        self, *, header: dict[str, Any] | bytes | None = None, payload: bytes | None = None, **overrides: Any
    ) -> str:
        """A signed token. `header` overrides members, or is the header's very bytes; so is `payload`."""
        members = {"alg": "RS256", "kid": "rsa-1", **(header if isinstance(header, dict) else {})}
        members = {name: value for name, value in members.items() if value is not ...}
        head = header if isinstance(header, bytes) else json.dumps(members).encode()
        body = payload if payload is not None else json.dumps(self.claims(**overrides)).encode()
        return self.sign(base64url(head) + "." + base64url(body), members.get("alg"), members.get("kid"))

    def sign(self, signing_input: str, algorithm: object = "RS256", kid: object = "rsa-1") -> str:
        """Appends the signature: by the key that `kid` belongs to, or by the first RSA key."""
        message = signing_input.encode()
        if algorithm == "ES256":
            signature = ECAlgorithm(ECAlgorithm.SHA256).sign(message, self.ec_key)
        else:
            key = self.other_rsa_key if kid == "rsa-2" else self.rsa_key
            signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(message, key)
        return signing_input + "." + base64url(signature)

    def verifier(self, **overrides: Any) -> AccessTokenVerifier:
        """A verifier for this issuer's tokens."""
        arguments: dict[str, Any] = {
            "issuer": self.url,
            "audience": self.audience,
            "scope": "agent.access",
            "keys": self.keys,
            "clock": self.clock,
        }
        return AccessTokenVerifier(**{**arguments, **overrides})


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def jwk_of() -> Callable[..., dict[str, Any]]:
    return jwk


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def issuer(
    rsa_key: rsa.RSAPrivateKey,
    other_rsa_key: rsa.RSAPrivateKey,
    ec_key: ec.EllipticCurvePrivateKey,
    clock: Clock,
) -> Issuer:
    return Issuer(rsa_key, other_rsa_key, ec_key, clock)


@pytest.fixture
def caller(clock: Clock) -> Callable[..., VerifiedAccessToken]:
    """Creates the verified access token of a user, like the verifier."""

    def make(name: str = "alice", lifetime: float = 1200.0) -> VerifiedAccessToken:
        return assume_verified(
            principal=Principal("https://idaas.example", name),
            audience=("https://agent.example",),
            scopes=frozenset({"agent.access"}),
            expires_at=clock.now + lifetime,
            fingerprint=f"fingerprint-of-{name}",
            token=Secret(f"access-token-of-{name}"),
        )

    return make
