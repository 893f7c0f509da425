"""From a granted request to a token response, and the records of decisions."""

from typing import Any

from joserfc import jwt

from sandbox.oauth_error import OAuthError
from sandbox.state.access_tokens import Minted
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application, User
from sandbox.state.records import Event


def token_answer(minted: Minted, **more: str) -> dict[str, Any]:
    """The success body. `expires_at` (unix seconds) is always there: without it the vendor's SDK loops."""
    return {
        "token_type": "Bearer",
        "access_token": minted.token,
        "expires_in": minted.expires_in,
        "expires_at": minted.issued.expires_at,
        **more,
    }


def id_token(
    cloud: Cloud, client: Application, user: User, *, authenticated_at: float, nonce: str | None
) -> str:
    """An ID token for the client (OpenID Connect Core, section 2)."""
    now = int(cloud.clock())
    claims: dict[str, Any] = {
        "iss": cloud.addresses.issuer,
        "sub": user.subject,
        "aud": client.client_id,
        "iat": now,
        "exp": now + cloud.settings.id_token_lifetime,
        "auth_time": int(authenticated_at),
        "name": user.display_name,
        "preferred_username": user.name,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    key = cloud.keys.current
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid}, claims, key)


def record_issued(cloud: Cloud, attempt: Event, minted: Minted) -> None:
    """A token was issued."""
    issued = minted.issued
    cloud.events.record(
        attempt,
        client=issued.client_id,
        subject=issued.subject,
        audience=issued.audience,
        permissions=issued.permissions,
        jti=issued.jti,
    )


def record_refused(cloud: Cloud, attempt: Event, refusal: OAuthError) -> None:
    """A request was refused. An expired credential is counted."""
    if refusal.expired:
        cloud.counters.expired_credential("idaas")
    cloud.events.record(attempt, result="failed", error=refusal.error, reason=refusal.reason)
