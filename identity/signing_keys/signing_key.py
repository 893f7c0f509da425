"""The algorithms of signatures, and the public keys that verify them, read from JWKs (RFC 7517)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from identity.base64url import decode_base64url

_RSA_BITS = range(2048, 8193)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_MAX_KID = 255

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class _Rsa:
    """RSASSA-PKCS1-v1_5 with keys of 2048 to 8192 bits."""

    def __init__(self, digest: Any) -> None:  # noqa: ANN401 - a class of `cryptography`
        self.verifier: Any = RSAAlgorithm(digest)

    def fits(self, jwk: Mapping[str, Any]) -> bool:
        return bool(jwk.get("kty") == "RSA")

    def read(self, jwk: Mapping[str, Any]) -> PublicKey:
        n = _integer(jwk.get("n"))
        e = _integer(jwk.get("e"))
        if n.bit_length() not in _RSA_BITS or not 3 <= e < 2**32:
            raise ValueError("is too small or too large")
        return rsa.RSAPublicNumbers(e, n).public_key()


class _Ecdsa:
    """ECDSA with keys on one curve, which JWKs name `crv`."""

    def __init__(self, crv: str, curve: type[ec.EllipticCurve], digest: Any) -> None:  # noqa: ANN401 - as above
        self._crv = crv
        self._curve = curve
        self.verifier: Any = ECAlgorithm(digest, curve)

    def fits(self, jwk: Mapping[str, Any]) -> bool:
        return bool(jwk.get("kty") == "EC" and jwk.get("crv") == self._crv)

    def read(self, jwk: Mapping[str, Any]) -> PublicKey:
        x = _integer(jwk.get("x"))
        y = _integer(jwk.get("y"))
        return ec.EllipticCurvePublicNumbers(x, y, self._curve()).public_key()


# RFC 8725, section 3.2: few and current algorithms. No HMAC, because all keys here are public. A further one
# is a row here: "ES384": _Ecdsa("P-384", ec.SECP384R1, ECAlgorithm.SHA384).
_ALGORITHMS: Final[Mapping[str, _Rsa | _Ecdsa]] = {
    "RS256": _Rsa(RSAAlgorithm.SHA256),
    "ES256": _Ecdsa("P-256", ec.SECP256R1, ECAlgorithm.SHA256),
}
SUPPORTED_ALGORITHMS: Final = frozenset(_ALGORITHMS)
ACCEPTED_ALGORITHMS: Final = frozenset({"RS256"})
"""With which access tokens and user events may be signed: IDaaS uses no other."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A verification key bound to one algorithm (RFC 8725, section 3.1)."""

    kid: str | None
    algorithm: str
    public_key: PublicKey = field(repr=False)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether `signature` over `signing_input` was made with this key. Never raises for invalid input."""
        verifier = _ALGORITHMS[self.algorithm].verifier
        return bool(verifier.verify(signing_input, self.public_key, signature))


def signing_key(jwk: object) -> SigningKey | None:
    """The signing key in a JWK, or `None` if the JWK cannot be used for verifying.

    Usable are keys for one of `SUPPORTED_ALGORITHMS`, whose `use`, `key_ops` and `alg`, if present, allow it.
    A JWK with private members is not usable: its private key is published.
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
    for name, algorithm in _ALGORITHMS.items():
        if jwk.get("alg", name) == name and algorithm.fits(jwk):
            try:
                return SigningKey(kid, name, algorithm.read(jwk))
            except ValueError:  # not base64url, not on the curve, an even exponent
                return None
    return None


def _integer(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("is not base64url")  # noqa: TRY004 - one kind of error for the caller
    return int.from_bytes(decode_base64url(text), "big")


class KeySource(Protocol):
    """The current public keys of one issuer: `identity.signing_keys.jwks.Jwks`, and keys without I/O."""

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key if it is cached. No I/O; it takes less than a microsecond.

        Without a `kid`, the only key for `algorithm`, if there is exactly one.
        """

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key, fetched if necessary; `None` if the issuer has no such key.

        Raises `UnreachableError` if the issuer's keys are not available now.
        """
