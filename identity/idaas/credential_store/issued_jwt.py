"""The Developer API's `GenerateJwtAuthenticationToken`."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import jwt

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import IssuedJwtRequirement
from identity.error_codes import IdentityCode
from identity.idaas.credential_store.store_operation import StoreOperation
from identity.secrets.secret import Secret

_JWT: Final = re.compile(r"[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,2048}")


def generate_jwt(requirement: IssuedJwtRequirement, subject: str) -> StoreOperation:
    """The operation that issues a JWT of `subject`; no short token, which would need no authentication."""
    body: dict[str, Any] = {
        "audiences": [requirement.audience],
        "credentialProviderIdentifier": requirement.provider,
        "subject": subject,
    }
    if requirement.claims:
        body["customClaims"] = dict(requirement.claims)
    return StoreOperation(
        action="GenerateJwtAuthenticationToken",
        path="authenticationTokens/_/actions/generateJwt",
        about=f'JWT provider "{requirement.provider}"',
        error_code=IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE,
        read=partial(_read_issued_jwt, requirement, subject),
        body=body,
    )


def _read_issued_jwt(
    requirement: IssuedJwtRequirement, subject: str, response: Mapping[str, Any], requested_at: float
) -> IssuedCredential:
    """The JWT. It ends with its own `exp`, or with `expirationTime` (milliseconds) if that is earlier.

    Its signature is not verified, because IDaaS issued it for another service. That it is for the audience
    and the subject that were requested is checked.
    """
    content = response.get("jwtContent")
    value = content.get("jwtValue") if isinstance(content, dict) else None
    if not isinstance(value, str) or not _JWT.fullmatch(value):
        raise ValueError("the response has no usable JWT")
    try:
        claims = jwt.decode(value, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise ValueError("the response has no usable JWT") from None
    audiences = claims.get("aud")
    if requirement.audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise ValueError('claim "aud" of the JWT must contain the required audience')
    if claims.get("sub") != subject:
        raise ValueError('claim "sub" of the JWT must be the caller')
    expires_at = _seconds(claims.get("exp"))
    if (milliseconds := response.get("expirationTime")) is not None:
        expires_at = min(expires_at, _seconds(milliseconds) / 1000)
    if expires_at <= requested_at:
        raise ValueError("the JWT must end in the future")
    return IssuedCredential(Secret(value), expires_at)


def _seconds(value: object) -> float:
    """A time; 0 for another value."""
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14
    return float(value) if is_time and isinstance(value, int | float) else 0.0
