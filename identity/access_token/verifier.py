"""Verifies the caller's access token: RFC 9068, section 4, with the best practices of RFC 8725."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from identity.access_token.claims import AccessTokenClaims, read_claims, subject_is_client
from identity.access_token.jws import parse_compact_jws, read_header
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import KeptClaim, VerifiedAccessToken, assume_verified
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, InsufficientScopeError
from identity.observation.metrics import Kind, Metrics
from identity.principal import Principal
from identity.secrets.secret import Secret
from identity.signing_keys.signing_key import ACCEPTED_ALGORITHMS, SUPPORTED_ALGORITHMS, KeySource, SigningKey

LEEWAY = 30.0
"""Seconds by which clocks may differ: an accepted token's `iat` is at most so far in the future."""
LONGEST_LIFETIME = 7 * 86_400.0
"""The longest lifetime of an accepted token, in seconds. IDaaS issues tokens for a day at most."""
REVOCATION_REACH = LONGEST_LIFETIME + 2 * LEEWAY
"""Seconds after a revocation in which a token that it refuses can be valid otherwise.

One leeway is that of `exp`; the other one is the difference between this clock and that of the decision.
"""
_INVALID = IdentityCode.ACCESS_TOKEN_INVALID


class VerificationMeasures:
    """Counts of verifications: found in the cache, or checked with a signature."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.cached = self.checked = 0
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.access_token.verifications",
            "Verifications of access tokens: cached, or checked with a signature",
            unit="{verification}",
            labels=("idaas_agent.lookup.result",),
            read=lambda: {("cached",): self.cached, ("checked",): self.checked},
        )


@dataclass(eq=False, repr=False, slots=True, kw_only=True)
class AccessTokenVerifier:
    """Verifies access tokens for one agent: one issuer, one audience, one scope.

    Guaranteed for every token that `verify` returns: its signature was made with a key that is in the key
    source now, and with an allowed algorithm; `iss` equals `issuer`; `aud` is or contains `audience`; the
    current time is before `exp` and not before `nbf` and `iat`, within `LEEWAY` seconds; `exp` is at
    most `LONGEST_LIFETIME` after `iat` or, without `iat`, after the current time; `scope` contains
    each word of the required scope. A `sub` is a client if the token names it (`client_id`, `azp`) or it is
    one of `clients` (RFC 9068, section 5): then it is refused unless `allow_clients`, and every other one
    unless `allow_people`.

    With `revocations`, every call of `verify` consults them, also for a cached token. No token is accepted
    until they were read; from then on, a user whom IDaaS has disabled, and who has no entry there, is
    accepted until the token expires.

    Not checked: `jti` and `act`, which IDaaS does not document. IDaaS does not document `client_id` either:
    if it is absent, a client is recognized only if it is among `clients`.

    A verification is cached by the token's SHA-256 until the token expires or its key leaves the key source,
    so that the next one costs a hash and a look-up instead of a signature check. The token is not cached.
    """

    issuer: str
    audience: str
    scope: str
    """One or more words, separated by spaces, all of which a token must have."""
    keys: KeySource
    clients: Collection[str] = ()
    """The ids of known clients, such as the agent's own."""
    allow_clients: bool = False
    allow_people: bool = True
    revocations: RevocationList | None = None
    algorithms: Set[str] = ACCEPTED_ALGORITHMS
    max_bytes: int = 8192
    cache_size: int = 10_000
    clock: Callable[[], float] = time.time
    measures: VerificationMeasures = field(default_factory=VerificationMeasures)
    kept_claims: Collection[str] = ()
    """Claims that verified tokens have, for policies."""
    _cache: "OrderedDict[str, _CachedVerification]" = field(init=False, default_factory=OrderedDict)
    _required: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Raises `ValueError` for an argument with which a check would accept every token."""
        self._required = frozenset(self.scope.split())
        if not (self.issuer and self.audience and self._required):
            raise ValueError("issuer, audience and scope must not be empty")
        if not self.algorithms or not SUPPORTED_ALGORITHMS.issuperset(self.algorithms):
            raise ValueError(f"algorithms must be among {', '.join(sorted(SUPPORTED_ALGORITHMS))}")

    async def verify(self, token: Secret | str) -> VerifiedAccessToken:
        """The verified token.

        Raises `AccessTokenError` (`access_token_invalid`, whose detail names the claim, or `access_revoked`),
        its subclass `InsufficientScopeError`, or `UnreachableError` (`jwks_unavailable`) if the key cannot be
        fetched now, or what `revocations.unread` is. No input causes another exception.
        """
        # No frame of an error may contain the token in clear: error reporters show local variables.
        secret = token if isinstance(token, Secret) else Secret(token)
        del token
        length = len(secret.reveal())
        # Before hashing, so that a very long text costs nothing. The compact serialization is ASCII.
        if length > self.max_bytes:
            raise AccessTokenError(_INVALID, f"expected at most {self.max_bytes} characters, found {length}")
        if not secret.reveal().isascii():
            raise AccessTokenError(_INVALID, "it contains characters other than ASCII")
        fingerprint = hashlib.sha256(secret.reveal().encode("ascii")).hexdigest()
        verified = self._cached(secret, fingerprint)
        if verified is not None:
            self.measures.cached += 1
            return verified
        self.measures.checked += 1
        return await self._verify(secret, fingerprint)

    def verify_again(self, caller: VerifiedAccessToken) -> None:
        """Raises `AccessTokenError` if the token has expired, or was revoked, since it was verified.

        For the time in which one request arrives: neither its signature nor its key is checked again.
        """
        if self.clock() >= caller.expires_at + LEEWAY:
            raise AccessTokenError(_INVALID, 'claim "exp": the token has expired since it was verified')
        self._refuse_revoked(caller.principal.subject, caller.issued_at, caller.fingerprint)

    def _cached(self, secret: Secret, fingerprint: str) -> VerifiedAccessToken | None:
        entry = self._cache.get(fingerprint)
        if entry is None:
            return None
        principal, _, _, expires_at, issued_at, *_, key, kid = entry
        expired = self.clock() >= expires_at + LEEWAY
        if expired or self.keys.cached(kid, key.algorithm) is not key:
            del self._cache[fingerprint]
            return None
        self._refuse_revoked(principal.subject, issued_at, fingerprint)
        self._cache.move_to_end(fingerprint)
        return _verified(entry, secret, fingerprint)

    async def _verify(self, secret: Secret, fingerprint: str) -> VerifiedAccessToken:
        # Checks that need no key come first: a token that fails them must not cause a fetch.
        try:
            jws = parse_compact_jws(secret.reveal())
            header = read_header(jws.header, self.algorithms)
            claims = read_claims(jws.payload, self.kept_claims)
            is_client = self._check(claims)
        except ValueError as error:
            raise AccessTokenError(_INVALID, str(error)) from None
        key = await self.keys.find(header.kid, header.algorithm)
        if key is None:
            raise AccessTokenError(_INVALID, 'header "kid" names no key of the issuer')
        if not key.verify(jws.signing_input, jws.signature):
            raise AccessTokenError(_INVALID, "the signature was not made with the issuer's key")
        self._refuse_revoked(claims.subject, claims.issued_at, fingerprint)
        # The scope comes last: "insufficient_scope" implies a token that is valid (RFC 6750, section 3.1).
        missing = self._required - claims.scopes
        if missing:
            raise InsufficientScopeError(
                IdentityCode.INSUFFICIENT_SCOPE, f'claim "scope" must contain {_quoted(*sorted(missing))}'
            )
        principal = Principal(self.issuer, claims.subject)
        times = claims.expires_at, claims.issued_at, claims.signed_in_at
        entry = (principal, claims.audience, claims.scopes, *times, claims.kept, is_client, key, header.kid)
        self._cache[fingerprint] = entry
        while len(self._cache) > self.cache_size:
            self._cache.popitem(last=False)
        return _verified(entry, secret, fingerprint)

    def _refuse_revoked(self, subject: str, issued_at: float | None, fingerprint: str) -> None:
        if self.revocations is None:
            return
        if self.revocations.refuses(subject, issued_at, fingerprint):
            self._cache.pop(fingerprint, None)
            raise AccessTokenError(IdentityCode.ACCESS_REVOKED, "the token was revoked")
        if self.revocations.unread is not None:
            raise self.revocations.unread.again()

    def _check(self, claims: AccessTokenClaims) -> bool:
        """Whether the subject is a client."""
        if claims.issuer != self.issuer:
            raise AccessTokenError(_INVALID, f'claim "iss" must be {_quoted(self.issuer)}')
        if self.audience not in claims.audience:
            raise AccessTokenError(_INVALID, f'claim "aud" must contain {_quoted(self.audience)}')
        is_client = subject_is_client(claims, self.clients)
        if is_client and not self.allow_clients:
            raise AccessTokenError(_INVALID, 'claim "sub" must name a person, found a client')
        if not is_client and not self.allow_people:
            raise AccessTokenError(_INVALID, 'claim "sub" must name a client, found a person')
        now = self.clock()
        if now >= claims.expires_at + LEEWAY:
            raise AccessTokenError(
                _INVALID, f'claim "exp": the token expired {now - claims.expires_at:.0f} s ago'
            )
        for name, timestamp in (("nbf", claims.not_before), ("iat", claims.issued_at)):
            if timestamp is not None and timestamp > now + LEEWAY:
                raise AccessTokenError(_INVALID, f'claim "{name}" is {timestamp - now:.0f} s in the future')
        issued_at = now + LEEWAY if claims.issued_at is None else claims.issued_at
        lifetime = claims.expires_at - issued_at
        if lifetime > LONGEST_LIFETIME:
            raise AccessTokenError(
                _INVALID,
                f'claim "exp" must be at most {LONGEST_LIFETIME:.0f} s after the issue, found {lifetime:.0f}',
            )
        return is_client


_CachedVerification: TypeAlias = tuple[
    Principal,
    tuple[str, ...],
    frozenset[str],
    float,
    float | None,
    float | None,
    Mapping[str, KeptClaim],
    bool,
    SigningKey,
    str | None,
]
"""The token's principal, `aud`, `scope`, `exp`, `iat`, `auth_time`, kept claims, whether it is a client's,
its key and its `kid`."""


def _verified(entry: _CachedVerification, token: Secret, fingerprint: str) -> VerifiedAccessToken:
    principal, audience, scopes, expires_at, issued_at, signed_in_at, claims, is_client, *_ = entry
    return assume_verified(
        principal=principal,
        audience=audience,
        scopes=scopes,
        expires_at=expires_at,
        fingerprint=fingerprint,
        token=token,
        issued_at=issued_at,
        signed_in_at=signed_in_at,
        claims=claims,
        is_client=is_client,
    )


def _quoted(*words: str) -> str:
    return " ".join(f'"{word}"' for word in words)
