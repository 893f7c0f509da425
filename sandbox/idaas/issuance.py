"""Turning a granted request into a token answer, and writing down what was decided."""

from typing import Any

from joserfc import jwt

from sandbox.access_tokens import Minted
from sandbox.cloud import Cloud
from sandbox.directory import Application, User
from sandbox.events import Event
from sandbox.oauth_error import OAuthError


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


def record_issued(
    cloud: Cloud, event: str, minted: Minted, request_id: str, *, client: str, subject_jti: str | None = None
) -> None:
    """A token was issued to `client`."""
    issued = minted.issued
    cloud.events.add(
        Event(
            time=cloud.clock(),
            event=event,
            result="success",
            client=client,
            subject=issued.subject,
            audience=issued.audience,
            permissions=issued.permissions,
            jti=issued.jti,
            subject_jti=subject_jti,
            request_id=request_id,
        )
    )


def record_refused(
    cloud: Cloud,
    event: str,
    refusal: OAuthError,
    request_id: str,
    *,
    client: str | None = None,
    subject: str | None = None,
) -> None:
    """A request was refused. An expired credential is counted."""
    if refusal.expired:
        cloud.counters.expired_credential("idaas")
    cloud.events.add(
        Event(
            time=cloud.clock(),
            event=event,
            result="failed",
            client=client,
            subject=subject,
            error=refusal.error,
            request_id=request_id,
        )
    )
