"""The JWT providers of IDaaS (PAM), and the JWTs that they issued."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from sandbox.state.directory import AGENT
from sandbox.state.signing_keys import SigningKeys

SERVICE_JWT = "service_jwt"
"""The built-in provider."""
_MOST = 10_000


class JwtRefusedError(Exception):
    """The JWT is not good. `expired` if only its time is over."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(slots=True)
class JwtProvider:
    """`lifetime` in seconds is the default; `readers` are client ids and user subjects."""

    identifier: str
    provider_id: str
    issuer: str
    readers: set[str]
    lifetime: int = 900
    enabled: bool = True
    allowed_issuers: tuple[str, ...] = ()


@dataclass(slots=True)
class StoredJwt:
    """A JWT that was issued to `creator`, a client, for `consumer`, its subject. Times are unix seconds."""

    token_id: str
    provider: JwtProvider
    creator: str
    consumer: str
    created_at: float
    expires_at: float
    value: str = field(repr=False)
    short_token: str | None = field(repr=False)
    revoked: bool = False


class JwtProviders:
    """Providers by identifier. Their JWTs are signed by the keys that the authorization server publishes; the
    vendor documents one JWKS for each provider, and not how it signs.
    """

    def __init__(self, origin: str, keys: SigningKeys, clock: Callable[[], float]) -> None:
        self._origin = origin
        self._keys = keys
        self._clock = clock
        self._providers: dict[str, JwtProvider] = {}
        self._stored: dict[str, StoredJwt] = {}
        self.reset()

    def reset(self) -> None:
        """The built-in provider, without JWTs."""
        self._stored.clear()
        readers = {AGENT, "user_alice01", "user_bob01"}
        issuer = f"{self._origin}/jwt/{SERVICE_JWT}"
        self._providers = {SERVICE_JWT: JwtProvider(SERVICE_JWT, "atp_jwt01", issuer, readers)}

    def find(self, identifier: str) -> JwtProvider | None:
        return self._providers.get(identifier)

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of JwtProvider
        return iter(self._providers.values())

    def issue(
        self,
        provider: JwtProvider,
        *,
        creator: str,
        subject: str,
        audiences: list[str],
        issuer: str | None = None,
        lifetime: int | None = None,
        claims: dict[str, Any] | None = None,
        short_token: bool = False,
    ) -> StoredJwt:
        """A signed JWT, which is stored. Nothing is checked."""
        now = int(self._clock())
        end = now + (provider.lifetime if lifetime is None else lifetime)
        token_id = f"atntkn_{secrets.token_hex(10)}"
        registered = {
            "iss": issuer or provider.issuer,
            "sub": subject,
            "aud": audiences[0] if len(audiences) == 1 else audiences,
            "iat": now,
            "exp": end,
            "jti": token_id,
        }
        key = self._keys.current
        value = jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid}, (claims or {}) | registered, key)
        derived = f"st_{secrets.token_urlsafe(24)}" if short_token else None
        stored = StoredJwt(token_id, provider, creator, subject, now, end, value, derived)
        while len(self._stored) >= _MOST:
            del self._stored[next(iter(self._stored))]
        self._stored[token_id] = stored
        return stored

    def stored(self) -> tuple[StoredJwt, ...]:
        """Those that were issued, oldest first."""
        return tuple(self._stored.values())

    def by_id(self, token_id: str) -> StoredJwt | None:
        return self._stored.get(token_id)

    def by_text(self, text: str) -> StoredJwt | None:
        """By the JWT itself or its short token."""
        return next((each for each in self._stored.values() if text in (each.value, each.short_token)), None)

    def is_active(self, stored: StoredJwt) -> bool:
        """Whether it is neither revoked nor expired."""
        return not stored.revoked and stored.expires_at > self._clock()

    def claims(self, text: str, identifier: str, audience: str) -> dict[str, Any]:
        """What a service behind the provider reads: the claims, by the signature alone.

        Raises JwtRefusedError. A revocation is seen by ValidateAuthenticationToken only.
        """
        try:
            claims: dict[str, Any] = jwt.decode(text, self._keys.published, algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise JwtRefusedError("it does not verify with the provider's keys") from error
        found = claims.get("aud")
        provider = self._providers[identifier]
        if claims.get("iss") not in (provider.issuer, *provider.allowed_issuers):
            raise JwtRefusedError('claim "iss" must be that of the provider')
        if audience not in (found if isinstance(found, list) else [found]):
            raise JwtRefusedError('claim "aud" must contain the audience of the service')
        if claims.get("exp", 0) <= self._clock():
            raise JwtRefusedError("it has expired", expired=True)
        return claims
