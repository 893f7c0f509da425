"""Authorization codes: short-lived, used once, bound to client, redirect URI and PKCE challenge."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from sandbox.oauth_error import OAuthError

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(slots=True)
class CodeGrant:
    """What a code stands for. `issued_jti` names the token that it was exchanged for, once it was."""

    client_id: str
    redirect_uri: str
    challenge: str
    subject: str
    audience: str
    permissions: tuple[str, ...]
    openid: bool
    nonce: str | None
    authenticated_at: float
    expires_at: float
    used: bool = False
    issued_jti: str | None = None


class AuthorizationCodes:
    """Codes that were handed out and have not been forgotten yet."""

    def __init__(self, clock: Callable[[], float], revoke: Callable[[str], None]) -> None:
        self._clock = clock
        self._revoke = revoke
        self._grants: dict[str, CodeGrant] = {}

    def issue(self, grant: CodeGrant) -> str:
        """A new code."""
        now = self._clock()
        self._grants = {c: g for c, g in self._grants.items() if g.expires_at + 3600 > now}
        code = secrets.token_urlsafe(32)
        self._grants[code] = grant
        return code

    def redeem(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> CodeGrant:
        """The grant, if everything fits; the code is used up either way, once its own client presented it.

        A code that comes a second time revokes the token issued for it (RFC 6749, section 4.1.2).
        Raises OAuthError.
        """
        grant = self._grants.get(code)
        if grant is None or grant.client_id != client_id:
            raise OAuthError("invalid_grant", "the code is unknown to this client")
        if grant.used:
            if grant.issued_jti is not None:
                self._revoke(grant.issued_jti)
            raise OAuthError("invalid_grant", "the code was used before")
        grant.used = True
        if grant.expires_at <= self._clock():
            raise OAuthError("invalid_grant", "the code has expired", expired=True)
        if grant.redirect_uri != redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri must be that of the authorization request")
        if not VERIFIER.fullmatch(verifier) or not compare_digest(s256(verifier), grant.challenge):
            raise OAuthError("invalid_grant", "the code verifier does not fit the challenge")
        return grant

    def reset(self) -> None:
        """Forgets all codes."""
        self._grants.clear()


def s256(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)), without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
