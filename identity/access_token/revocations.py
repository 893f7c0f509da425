"""Where the verifier looks up whether an access token is revoked."""

from typing import Protocol


class Revocations(Protocol):
    """The revoked tokens; `identity.access_token.revocation_list.RevocationList` is an implementation."""

    def refuses(self, subject: str, issued_at: float | None, fingerprint: str) -> bool:
        """Whether the token with this `sub`, `iat` and SHA-256 is revoked. No I/O."""
        ...
