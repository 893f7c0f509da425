"""The seam by which the verifier gets keys."""

from typing import Protocol

from identity.signing_keys.signing_key import SigningKey


class KeySource(Protocol):
    """Where the verifier gets keys; `Jwks` is the real one."""

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key if it is at hand now. No I/O; costs well under a microsecond.

        Without a `kid`, the only key for `algorithm`, if there is exactly one.
        """
        ...

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key, fetched if necessary; `None` if there is no such key.

        Raises `UnreachableError` if that cannot be known now.
        """
        ...
