"""The responses of IDaaS: issued tokens (RFC 6749, section 5.1; RFC 8693, section 2.2.1), and refusals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from identity.credentials.issuer import IssuedCredential
from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from identity.idaas.client_authentication.method import ACCESS_TOKEN_TYPE
from identity.secrets.secret import Secret
from identity.strict_json import read_object
from identity.transport.bounded_response import Response

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
    ends: list[float] = []
    if lifetime := _positive_seconds(response, "expires_in"):
        ends.append(requested_at + lifetime)
    if end := _positive_seconds(response, "expires_at"):
        ends.append(end)
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
        raise ValueError(f'"{name}" must be a positive number of seconds')
    return float(value)


def is_of_subject(issued: Secret, subject_token: Secret) -> bool:
    """Whether both tokens are JWTs with the same `sub`, which IDaaS keeps in an exchange.

    A call under another `sub` would have another user's rights or, from a server that ignores the grant type,
    the agent's own. No signature is verified: only the server that issued the token could have changed it.
    """
    subject = unverified_claims(subject_token).get("sub")
    return isinstance(subject, str) and subject != "" and unverified_claims(issued).get("sub") == subject


def end_of(issued: Secret, promised: float) -> float:
    """`promised`, or the `exp` of the token, if it is a JWT that ends earlier."""
    end: Any = unverified_claims(issued).get("exp")
    earlier = isinstance(end, int | float) and not isinstance(end, bool) and end < promised
    return float(max(0.0, end)) if earlier else promised


def unverified_claims(token: Secret) -> Mapping[str, Any]:
    """The claims of a token that was issued to the agent. Empty for a token that is no JWT."""
    try:
        return jwt.decode(token.reveal(), options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}


# A code consists of words; another text could repeat a value of the request.
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)*|[A-Z][A-Za-z]*(?:\.[A-Z][A-Za-z]*)*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response. `code` is `""` if it has none; its description, which quotes input, is dropped."""

    status: int
    code: str
    request_id: str

    def __str__(self) -> str:
        details = [f"status {self.status}"]
        if self.request_id:
            details.append(f"request id {self.request_id}")
        return f"{self.code or 'no error code'} ({', '.join(details)})"


def read_refusal(response: Response) -> Refusal:
    """Reads both forms of IDaaS: `error` and `request_id` (OAuth), `Code` and `RequestId` (OpenAPI)."""
    try:
        body = read_object(response.body)
    except ValueError:
        body = {}
    return Refusal(
        status=response.status,
        code=_member(body, ("error", "Code"), _CODE),
        request_id=_member(body, ("request_id", "RequestId"), _REQUEST_ID),
    )


_CLIENT_ERRORS: Final = (
    "NoPermission",
    "Forbidden.RAM",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "SignatureNonceUsed",
    "InvalidTimeStamp",
    "InvalidAccessKeyId",
    "InvalidSecurityToken",
    "MissingSecurityToken",
    "ResourceNotFound.Application",
    "ResourceNotFound.Instance",
)
"""Codes of the OpenAPI, or their beginnings, that are about the role, its signature or the client."""


def client_is_refused(refusal: Refusal) -> bool:
    """Whether the client's authentication is refused, rather than what it requested."""
    return (
        refusal.code == "invalid_client" or refusal.status == 401 or refusal.code.startswith(_CLIENT_ERRORS)
    )


_EXCHANGE_ERRORS: Final[Mapping[str, ErrorCode]] = {
    "invalid_grant": IdentityCode.USER_TOKEN_REFUSED,
    "unauthorized_client": IdentityCode.AGENT_EXCHANGE_REFUSED,
    "unsupported_grant_type": IdentityCode.AGENT_EXCHANGE_REFUSED,
}


def exchange_error_code(code: str) -> ErrorCode:
    """The agent's code for a token exchange that IDaaS refused with `code`.

    `invalid_grant` refuses the user's token; `unauthorized_client` and `unsupported_grant_type` refuse the
    agent (RFC 6749, section 5.2). The others do not distinguish them: `invalid_scope` means that the user or
    the agent lacks the permission, `access_denied` that one of them is disabled, and `invalid_request` that
    the request is malformed or the user's token invalid (RFC 8693, section 2.2.2).
    """
    if "SubjectToken" in code and not code.startswith("Missing"):  # the OpenAPI
        return IdentityCode.USER_TOKEN_REFUSED
    return _EXCHANGE_ERRORS.get(code, IdentityCode.TOKEN_EXCHANGE_FAILED)


def _member(body: Mapping[str, Any], names: tuple[str, ...], shape: re.Pattern[str]) -> str:
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and len(value) <= 64 and shape.fullmatch(value):
            return value
    return ""
