"""Verifying a workload's token, as every federation does: IDaaS and RAM."""

from collections.abc import Set
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

CLOCK_SKEW = 30


class IdTokenRefusedError(Exception):
    """The token is not accepted. `reason` is signature, issuer, audience, expired, clock or malformed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def verified_claims(
    token: str, key: jwk.ECKey, *, issuer: str, audiences: Set[str], now: float
) -> dict[str, Any]:
    """The claims of a token of `issuer` for one of `audiences` that is good now. `sub` is not checked."""
    try:
        claims = jwt.decode(token, jwk.KeySet([key]), algorithms=["ES256"]).claims
    except (JoseError, ValueError) as error:
        raise IdTokenRefusedError("signature", "the token does not verify with the issuer's keys") from error
    if claims.get("iss") != issuer:
        raise IdTokenRefusedError("issuer", f'claim "iss" must be "{issuer}"')
    audience = claims.get("aud")
    if audiences.isdisjoint(audience if isinstance(audience, list) else [audience]):
        raise IdTokenRefusedError("audience", f'claim "aud" must contain {", ".join(audiences)}')
    expires_at, not_before = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires_at, int | float) or not isinstance(not_before, int | float):
        raise IdTokenRefusedError("malformed", 'claims "exp" and "nbf" must be numbers')
    if expires_at <= now:
        raise IdTokenRefusedError("expired", "the token has expired")
    if not_before > now + CLOCK_SKEW:
        raise IdTokenRefusedError("clock", "the token is not valid yet")
    return claims
