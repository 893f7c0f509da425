"""The JWT providers of IDaaS (PAM), and the JWTs that they issued."""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
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


@dataclass(frozen=True, slots=True)
class IssuedJwt:
    """A JWT for `consumer`, its subject. Times are unix seconds."""

    token_id: str
    provider: JwtProvider
    consumer: str
    created_at: float
    expires_at: float
    value: str = field(repr=False)


class JwtProviders:
    """Providers by identifier. Their JWTs are signed by the keys that the authorization server publishes; the
    vendor documents one JWKS for each provider, and not how it signs.
    """

    def __init__(self, origin: str, keys: SigningKeys, clock: Callable[[], float]) -> None:
        self._origin = origin
        self._keys = keys
        self._clock = clock
        self._providers: dict[str, JwtProvider] = {}
        self._stored: deque[IssuedJwt] = deque(maxlen=_MOST)
        self.reset()

    def reset(self) -> None:
        """The built-in provider, without JWTs."""
        self._stored.clear()
        readers = {AGENT, "user_alice01", "user_bob01"}
        issuer = f"{self._origin}/jwt/{SERVICE_JWT}"
        self._providers = {SERVICE_JWT: JwtProvider(SERVICE_JWT, "atp_jwt01", issuer, readers)}

    def find(self, identifier: str) -> JwtProvider | None:
        return self._providers.get(identifier)

    def __iter__(self) -> Iterator[JwtProvider]:
        return iter(self._providers.values())

    def issue(
        self,
        provider: JwtProvider,
        *,
        subject: str,
        audiences: list[str],
        issuer: str | None = None,
        lifetime: int | None = None,
        claims: dict[str, Any] | None = None,
    ) -> IssuedJwt:
        """A signed JWT. Nothing is checked."""
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
        issued = IssuedJwt(token_id, provider, subject, now, end, value)
        self._stored.append(issued)
        return issued

    def stored(self) -> tuple[IssuedJwt, ...]:
        """The JWTs that were issued, oldest first."""
        return tuple(self._stored)

    def claims(self, text: str, identifier: str, audience: str) -> dict[str, Any]:
        """The claims that a service reads, by the signature alone. Raises JwtRefusedError."""
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
