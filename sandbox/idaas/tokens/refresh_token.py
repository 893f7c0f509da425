"""Refresh tokens: used once, each replaced by the next, bound to the client.

RFC 6749, section 6; RFC 9700, section 4.14.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.oauth_error import OAuthError


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """What a refresh token stands for. `family` is shared by all that follow from one sign-in."""

    client_id: str
    subject: str
    audience: str
    permissions: tuple[str, ...]
    expires_at: float
    family: str
    authenticated_at: float
    used: bool = False


class RefreshTokens:
    """Refresh tokens that were handed out. In memory; expired ones are forgotten."""

    def __init__(self, clock: Callable[[], float], lifetime: Callable[[], float]) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._grants: dict[str, RefreshGrant] = {}

    def begin(
        self,
        *,
        client_id: str,
        subject: str,
        audience: str,
        permissions: tuple[str, ...],
        authenticated_at: float,
    ) -> str:
        """The first token after a sign-in at that time, in unix seconds."""
        expires_at, family = self._clock() + self._lifetime(), secrets.token_urlsafe(16)
        grant = RefreshGrant(client_id, subject, audience, permissions, expires_at, family, authenticated_at)
        return self._issue(grant)

    def redeem(self, token: str, *, client_id: str) -> tuple[RefreshGrant, str]:
        """The grant and the next token, which expires when this one would have.

        A token that comes a second time ends all tokens of its sign-in. Raises OAuthError.
        """
        grant = self._grants.get(token)
        if grant is None or grant.client_id != client_id:
            raise OAuthError("invalid_grant", "the refresh token is unknown to this client")
        if grant.used:
            self._grants = {t: g for t, g in self._grants.items() if g.family != grant.family}
            raise OAuthError("invalid_grant", "the refresh token was used before")
        if grant.expires_at <= self._clock():
            raise OAuthError("invalid_grant", "the refresh token has expired", expired=True)
        self._grants[token] = replace(grant, used=True)
        return grant, self._issue(grant)

    def end(self, subject: str) -> None:
        """Ends all tokens of a person."""
        self._grants = {t: g for t, g in self._grants.items() if g.subject != subject}

    def reset(self) -> None:
        """Forgets all tokens."""
        self._grants.clear()

    def _issue(self, grant: RefreshGrant) -> str:
        now = self._clock()
        self._grants = {t: g for t, g in self._grants.items() if g.expires_at > now}
        token = secrets.token_urlsafe(32)
        self._grants[token] = grant
        return token
