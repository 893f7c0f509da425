"""The successful response of the token endpoint (RFC 6749, section 5.1; RFC 8693, section 2.2.1)."""

import re
from collections.abc import Mapping
from typing import Any

from identity.credentials.issuer import IssuedCredential
from identity.idaas.client_authentication.method import ACCESS_TOKEN_TYPE
from identity.idaas.issued_token import end_of
from identity.secrets.secret import Secret

_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")  # RFC 6750, section 2.1


def read_issued_token(response: Mapping[str, Any], requested_at: float) -> IssuedCredential:
    """The token in the response to a request that was sent at `requested_at`, in unix seconds.

    The lifetime counts from `requested_at`, so that the computed expiry is too early rather than too late.
    IDaaS's extension `expires_at`, and `exp` of a JWT, can only make it earlier. Raises `ValueError`, whose
    text contains no value of the response.
    """
    token = response.get("access_token")
    if not isinstance(token, str) or not _B64TOKEN.fullmatch(token):
        raise ValueError('has no usable "access_token"')
    token_type = response.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ValueError('"token_type" must be "Bearer"')
    if response.get("issued_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
        raise ValueError('"issued_token_type" must be that of an access token')
    lifetime, end = _positive_seconds(response, "expires_in"), _positive_seconds(response, "expires_at")
    ends = [each for each in (lifetime and requested_at + lifetime, end) if each]
    if not ends:
        raise ValueError('has neither "expires_in" nor "expires_at"')
    expires_at = end_of(secret := Secret(token), min(ends))
    if expires_at <= requested_at:
        raise ValueError("has a token that has expired; is the clock right?")
    return IssuedCredential(secret, expires_at)


def token_members(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of a token response under the names of RFC 6749; those of the OpenAPI are translated."""
    inner = body.get("TokenResponse")
    if not isinstance(inner, dict):
        return body
    translated = {standard: inner[name] for name, standard in _MEMBERS.items() if inner.get(name) is not None}
    return {"token_type": "Bearer", **translated}


_MEMBERS = {
    "TokenType": "token_type",
    "AccessToken": "access_token",
    "ExpiresIn": "expires_in",
    "ExpiresAt": "expires_at",
    "IssuedCredentialType": "issued_token_type",
}


def _positive_seconds(response: Mapping[str, Any], name: str) -> float | None:
    value = response.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        message = f'"{name}" must be a positive number of seconds'
        raise ValueError(message)
    return float(value)
