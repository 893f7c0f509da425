"""The authorization server's signing keys, and their rotation."""

from typing import Any, TypeAlias

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk

Jwks: TypeAlias = dict[str, list[dict[str, Any]]]


def new_key() -> jwk.RSAKey:
    """A fresh 2048-bit RSA key whose `kid` is its thumbprint (RFC 7638)."""
    return with_kid(jwk.RSAKey.generate_key(2048))


def with_kid(key: jwk.RSAKey) -> jwk.RSAKey:
    """The same key, named and marked for RS256 signatures."""
    parameters: Any = {"kid": f"KEY{key.thumbprint()[:24]}", "alg": "RS256", "use": "sig"}
    return jwk.RSAKey(key.raw_value, key.raw_value, parameters)


def own_key(pem: str) -> jwk.RSAKey:
    """A key that the sandbox has made. Its numbers are not checked: that takes as long as making it."""
    key: Any = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    return jwk.RSAKey(key, key)


class SigningKeys:
    """The current key signs; all published keys verify."""

    def __init__(self, first: jwk.RSAKey) -> None:
        self._keys = [first]
        """All that were made: after a reset they are used again, in the same order."""
        self._rotations = 0
        self._published = [first]

    @property
    def current(self) -> jwk.RSAKey:
        return self._published[0]

    @property
    def published(self) -> jwk.KeySet:
        """The keys that verify, the current one first."""
        return jwk.KeySet(list(self._published))

    def jwks(self) -> Jwks:
        """The JWKS document: public members only."""
        return {"keys": [key.as_dict(private=False) for key in self._published]}

    def rotate(self, *, overlap: bool) -> None:
        """A new key signs from now on. Without `overlap` the old ones are withdrawn at once."""
        self._rotations += 1
        if self._rotations == len(self._keys):
            self._keys.append(new_key())
        self._published = [self._keys[self._rotations], *(self._published if overlap else [])]

    def reset(self) -> None:
        """Back to the first key alone."""
        self._rotations = 0
        self._published = self._keys[:1]
