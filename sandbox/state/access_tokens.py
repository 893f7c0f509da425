"""Issuing access tokens, and verifying those that come back; claims as the vendor documents them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from sandbox.state.settings import Settings
from sandbox.state.signing_keys import SigningKeys

_REGISTERED = 10_000


class TokenRefusedError(Exception):
    """The token is not ours, malformed, or no longer good. The text never contains the token."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What the server remembers about a token: `client_id` obtained it, `depth` exchanges led to it."""

    jti: str
    client_id: str
    subject: str
    audience: str
    permissions: tuple[str, ...]
    issued_at: int
    expires_at: int
    depth: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Minted:
    """A new token and what it says."""

    token: str
    issued: IssuedToken

    @property
    def expires_in(self) -> int:
        return self.issued.expires_at - self.issued.issued_at


class AccessTokens:
    """Signs with the current key; remembers what it issued until it expires.

    Claims are `iss`, `sub`, `aud`, `scope`, `iat`, `exp` and `jti`. No claim names the client: the vendor
    documents none, and an exchanged token stands for the user alone. The register knows it.
    """

    def __init__(
        self, issuer: str, keys: SigningKeys, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._register: dict[str, IssuedToken] = {}
        self._revoked: set[str] = set()
        self._most = _REGISTERED

    def mint(
        self,
        *,
        client_id: str,
        subject: str,
        audience: str,
        permissions: tuple[str, ...],
        depth: int = 0,
        actor: str | None = None,
        lifetime: int | None = None,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
    ) -> Minted:
        """A signed token. `header` and `claims` override members; a value of None takes the member out."""
        now = int(self._clock())
        seconds = self._settings.access_token_lifetime if lifetime is None else lifetime
        jti = secrets.token_urlsafe(12)
        issued = IssuedToken(jti, client_id, subject, audience, permissions, now, now + seconds, depth)
        members: dict[str, Any] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": [audience] if self._settings.audience_as_array else audience,
            "scope": " ".join(permissions),
            "iat": now,
            "exp": now + seconds,
            "jti": jti,
        }
        if actor is not None and self._settings.actor_claim:
            members["act"] = {"sub": actor}
        key = self._keys.current
        top = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **(header or {})}
        token = jwt.encode(_present(top), _present(members | (claims or {})), key)
        self._forget_expired(now)
        self._register[jti] = issued
        return Minted(token, issued)

    def verify(self, token: str) -> IssuedToken:
        """The token's content, if this server issued it and it is good now (no leeway).

        Raises TokenRefusedError.

        A token from before a restart verifies by its signature, but its client is not known any more:
        `client_id` is empty then.
        """
        try:
            claims = jwt.decode(token, self._keys.published, algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise TokenRefusedError("the token does not verify with this server's keys") from error
        if claims.get("iss") != self._issuer:
            raise TokenRefusedError("the token is not from this issuer")
        expires_at = claims.get("exp")
        if not isinstance(expires_at, int | float):
            raise TokenRefusedError("the token has no expiry")
        if expires_at <= self._clock():
            raise TokenRefusedError("the token has expired", expired=True)
        jti = str(claims.get("jti"))
        if jti in self._revoked:
            raise TokenRefusedError("the token was revoked")
        known = self._register.get(jti)
        audience = claims.get("aud")
        return IssuedToken(
            jti=jti,
            client_id=known.client_id if known else "",
            subject=str(claims.get("sub")),
            audience=str(audience[0] if isinstance(audience, list) and audience else audience),
            permissions=tuple(str(claims.get("scope", "")).split()),
            issued_at=int(claims.get("iat", 0)),
            expires_at=int(expires_at),
            depth=known.depth if known else 0,
        )

    def revoke(self, jti: str) -> None:
        """Revokes this token at IDaaS. Verification by the signature alone does not see it."""
        self._revoked.add(jti)

    def reset(self) -> None:
        """Forgets what was issued and revoked; the tokens are valid by their signature."""
        self._register.clear()
        self._revoked.clear()

    def _forget_expired(self, now: int) -> None:
        if len(self._register) >= self._most:
            self._register = {jti: t for jti, t in self._register.items() if t.expires_at > now}
            self._most = max(_REGISTERED, 2 * len(self._register))  # not at every token while all are good


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
