"""The key of an audit log, and what is derived from it. One secret of `AUDIT_KEY_FILE` is one key."""

import hmac
from typing import Final

from identity.secrets.secret import Secret


class AuditKey:
    """The keys for the hashes of lines and for those of access tokens, by HMAC-SHA-256 from `secret`.

    Equal secrets give equal keys, in every process and after each restart. `id` names the key in the lines.
    It reveals nothing of a secret that cannot be guessed: one of `AUDIT_KEY_FILE` has 32 or more characters.
    """

    __slots__ = ("id", "lines", "tokens")

    def __init__(self, secret: Secret) -> None:
        self.lines: Final = _derived(secret, b"lines")
        self.tokens: Final = _derived(secret, b"access tokens")
        self.id: Final = _derived(secret, b"id").hex()[:16]

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


def _derived(secret: Secret, purpose: bytes) -> bytes:
    return hmac.digest(secret.reveal().encode(), b"idaas-agent audit: " + purpose, "sha256")
