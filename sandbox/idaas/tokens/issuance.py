"""Turning a granted request into a token answer, and recording what was decided."""

from dataclasses import dataclass, replace
from typing import Any, Literal

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


@dataclass(slots=True)
class Attempt:
    """A request and what is known about it so far, for its event."""

    event: str
    request_id: str
    client_id: str | None = None
    authentication: str | None = None
    subject: str | None = None
    subject_jti: str | None = None
    audience: str | None = None


def record_issued(cloud: Cloud, attempt: Attempt, minted: Minted) -> None:
    """A token was issued."""
    issued = minted.issued
    event = replace(
        _event(cloud, attempt, "success"),
        client=issued.client_id,
        subject=issued.subject,
        audience=issued.audience,
        permissions=issued.permissions,
        jti=issued.jti,
    )
    cloud.events.add(event)


def record_signed_in(cloud: Cloud, attempt: Attempt, permissions: tuple[str, ...]) -> None:
    """A code or ID token was issued, no access token yet."""
    cloud.events.add(replace(_event(cloud, attempt, "success"), permissions=permissions))


def record_refused(cloud: Cloud, attempt: Attempt, refusal: OAuthError, *, service: str = "idaas") -> None:
    """A request to `service` was refused. An expired credential is counted."""
    if refusal.expired:
        cloud.counters.expired_credential(service)
    event = _event(cloud, attempt, "failed")
    cloud.events.add(replace(event, error=refusal.error, reason=refusal.reason))


def _event(cloud: Cloud, attempt: Attempt, result: Literal["success", "failed"]) -> Event:
    return Event(
        time=cloud.clock(),
        event=attempt.event,
        result=result,
        client=attempt.client_id,
        authentication=attempt.authentication,
        subject=attempt.subject,
        audience=attempt.audience,
        subject_jti=attempt.subject_jti,
        request_id=attempt.request_id,
    )
