"""The authorization server's signing keys, and their rotation."""

from typing import Any, TypeAlias

from joserfc import jwk

Jwks: TypeAlias = dict[str, list[dict[str, Any]]]


def new_key() -> jwk.RSAKey:
    """A fresh 2048-bit RSA key whose `kid` is its thumbprint (RFC 7638)."""
    return with_kid(jwk.RSAKey.generate_key(2048))


def with_kid(key: jwk.RSAKey) -> jwk.RSAKey:
    """The same key, named and marked for RS256 signatures."""
    parameters = {"kid": f"KEY{key.thumbprint()[:24]}", "alg": "RS256", "use": "sig"}
    return jwk.RSAKey.import_key({**key.as_dict(private=True), **parameters})


class SigningKeys:
    """The current key signs; all published keys verify."""

    def __init__(self, first: jwk.RSAKey) -> None:
        self._first = first
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
        self._published = [new_key(), *(self._published if overlap else [])]

    def reset(self) -> None:
        """Back to the first key alone."""
        self._published = [self._first]
