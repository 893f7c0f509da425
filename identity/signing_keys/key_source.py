"""The Protocol by which the verifier obtains keys."""

from typing import Protocol

from identity.signing_keys.signing_key import SigningKey


class KeySource(Protocol):
    """The current public keys of one issuer; `Jwks` is an implementation."""

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key if it is cached. No I/O; it takes less than a microsecond.

        Without a `kid`, the only key for `algorithm`, if there is exactly one.
        """
        ...

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key, fetched if necessary; `None` if the issuer has no such key.

        Raises `UnreachableError` if the issuer's keys are not available now.
        """
        ...
