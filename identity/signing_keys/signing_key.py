"""A public key that verifies access tokens, read from a JWK (RFC 7517)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm

from identity.base64url import decode_base64url

# RFC 8725, section 3.2: few and current algorithms. No HMAC, because all keys here are public.
_VERIFIERS: Mapping[str, Algorithm] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1),
}
SUPPORTED_ALGORITHMS = frozenset(_VERIFIERS)

_RSA_BITS = range(2048, 8193)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_MAX_KID = 255


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A verification key bound to one algorithm (RFC 8725, section 3.1).

    Two are equal if they have the same `kid`, algorithm and key material.
    """

    kid: str | None
    algorithm: str
    material: tuple[int, int]
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether `signature` over `signing_input` was made with this key. Never raises for invalid input."""
        verifier: Any = _VERIFIERS[self.algorithm]
        return bool(verifier.verify(signing_input, self.public_key, signature))


def signing_key(jwk: object) -> SigningKey | None:
    """The signing key in a JWK, or `None` if the JWK cannot be used for verifying.

    Usable are RSA keys of 2048 to 8192 bits for RS256, and P-256 keys for ES256, whose `use`, `key_ops` and
    `alg`, if present, allow it. A JWK with private members is not usable: its private key is published.
    """
    if not isinstance(jwk, dict) or _PRIVATE_MEMBERS & jwk.keys():
        return None
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID):
        return None
    if jwk.get("use", "sig") != "sig":
        return None
    key_ops = jwk.get("key_ops", ["verify"])
    if not isinstance(key_ops, list) or "verify" not in key_ops:
        return None
    try:
        if jwk.get("kty") == "RSA" and jwk.get("alg", "RS256") == "RS256":
            return _rsa_key(jwk, kid)
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" and jwk.get("alg", "ES256") == "ES256":
            return _p256_key(jwk, kid)
    except ValueError:  # not base64url, not on the curve, an even exponent
        return None
    return None


def _rsa_key(jwk: Mapping[str, Any], kid: str | None) -> SigningKey | None:
    n, e = _integer(jwk.get("n")), _integer(jwk.get("e"))
    if n.bit_length() not in _RSA_BITS or not 3 <= e < 2**32:
        return None
    return SigningKey(kid, "RS256", (n, e), rsa.RSAPublicNumbers(e, n).public_key())


def _p256_key(jwk: Mapping[str, Any], kid: str | None) -> SigningKey:
    x, y = _integer(jwk.get("x")), _integer(jwk.get("y"))
    public_key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return SigningKey(kid, "ES256", (x, y), public_key)


def _integer(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("is not base64url")  # noqa: TRY004 - one kind of error for the caller
    return int.from_bytes(decode_base64url(text), "big")
