"""The token that a cluster gives to a workload, made and verified: a Kubernetes service-account token."""

import uuid
from collections.abc import Set
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

NAMESPACE = "agents"
SERVICE_ACCOUNT = "idaas-agent"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
IDAAS_AUDIENCE = "urn:sandbox:idaas-federation"
STS_AUDIENCE = "sts.aliyuncs.com"


def signing_key(pem: str) -> jwk.ECKey:
    """The issuer's key, named by its thumbprint (RFC 7638)."""
    key = jwk.ECKey.import_key(pem)
    parameters = {"kid": key.thumbprint()[:24], "alg": "ES256", "use": "sig"}
    return jwk.ECKey.import_key({**key.as_dict(private=True), **parameters})


def workload_token(
    key: jwk.ECKey, *, issuer: str, audience: str, now: float, lifetime: int, **claims: object
) -> str:
    """A token of the workload for one audience. `claims` override members; None takes one out."""
    members: dict[str, Any] = {
        "aud": [audience],
        "exp": int(now) + lifetime,
        "iat": int(now),
        "iss": issuer,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {
            "namespace": NAMESPACE,
            "pod": {"name": "idaas-agent-0", "uid": "5d3a0000-0000-4000-8000-000000000001"},
            "serviceaccount": {"name": SERVICE_ACCOUNT, "uid": "5d3a0000-0000-4000-8000-000000000002"},
        },
        "nbf": int(now),
        "sub": SUBJECT,
    }
    members = {name: value for name, value in (members | claims).items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, members, key, algorithms=["ES256"])


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
