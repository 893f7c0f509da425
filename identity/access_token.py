"""The caller's access token (AT_u), once verified."""

from dataclasses import dataclass

from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: the pair that OpenID Connect guarantees to be unique. No secret."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class VerifiedAccessToken:
    """Exists only if signature, issuer, audience, lifetime and scope were verified; only the verifier makes it.

    `fingerprint` is the SHA-256 of the token, in hexadecimal: a cache key, not a secret to be shown.
    Times are unix seconds.
    """

    principal: Principal
    audience: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    fingerprint: str
    token: Secret
