"""The operations of the Developer API that obtain a credential from the store of IDaaS (PAM).

`identity.idaas.client` sends them. If the credential cannot be used, reading its response raises
`ValueError`, whose text contains no value of the response.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.credentials.signed_request import StsCredential
from identity.error_codes import IdentityCode
from identity.errors import ConsentRequiredError, ErrorCode
from identity.idaas.token_response import end_of, unverified_claims
from identity.secrets.secret import Secret
from identity.transport.secure_url import is_secure_url

_JWT: Final = re.compile(r"[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,2048}")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")  # it is sent in a header, or becomes a link
_UNKNOWN_LIFETIME: Final = 600.0
"""Seconds for which a token without an expiry is used before it is fetched again."""


@dataclass(frozen=True, slots=True)
class StoreOperation:
    """The request of an operation, and how its response is read.

    `path` is below that of the instance. With `body` it is a POST of JSON, else a GET. `read` gets the
    response's members and the time of the request, in unix seconds. `about` names the credential to
    operators, and `error_code` is the code of a refusal.
    """

    action: str
    path: str
    about: str
    read: Callable[[Mapping[str, Any], float], IssuedCredential]
    error_code: ErrorCode = IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def store_operation(requirement: CredentialRequirement, subject: str) -> StoreOperation:
    """The operation that obtains the credential. `subject` is whom a JWT is for.

    Raises `TypeError` for a kind that the store does not have.
    """
    if (operation := _OPERATIONS.get(type(requirement))) is None:
        raise TypeError(f"the credential store of IDaaS has no {type(requirement).__name__}")
    return operation(requirement, subject)


def _api_key(requirement: ApiKeyRequirement, _subject: str) -> StoreOperation:
    """`ObtainCredential`: reads the API key."""
    return StoreOperation(
        action="ObtainCredential",
        path="credentials/_/actions/obtain",
        about=f'credential "{requirement.identifier}"',
        error_code=requirement.error_code,
        read=partial(_read_api_key, requirement.identifier),
        query={"credentialIdentifier": requirement.identifier},
    )


def _read_api_key(identifier: str, response: Mapping[str, Any], _requested_at: float) -> IssuedCredential:
    """The API key in the response for the credential `identifier`.

    Raises `ValueError` if the credential is another one, is disabled, or is not of type `api_key`.
    """
    if response.get("credentialIdentifier", identifier) != identifier:
        raise ValueError("the response is for another credential")
    if response.get("status", "enabled") != "enabled":
        raise ValueError("the credential is not enabled")
    if response.get("credentialType", "api_key") != "api_key":
        raise ValueError('the type of the credential must be "api_key"')
    api_key = _object(_object(response, "credentialContent"), "apiKeyContent").get("apiKey")
    if not _is_visible(api_key, 4096):
        raise ValueError("the response has no usable API key")
    return IssuedCredential(Secret(str(api_key)))


def _cloud_role(requirement: CloudRoleRequirement, _subject: str) -> StoreOperation:
    """`ObtainCloudAccountRoleAccessCredential`: credentials of the role, packed into one secret."""
    return StoreOperation(
        action="ObtainCloudAccountRoleAccessCredential",
        path="cloudAccountRoles/_/actions/obtainAccessCredential",
        about=f'cloud role "{requirement.role}"',
        read=partial(_read_sts_token, requirement.role),
        query={"cloudAccountRoleExternalId": requirement.role, "durationSeconds": str(requirement.seconds)},
    )


def _read_sts_token(role: str, response: Mapping[str, Any], requested_at: float) -> IssuedCredential:
    """The credentials. `accessCredentialExpiresAt` is in seconds, unlike the other times of this API."""
    if response.get("cloudAccountRoleExternalId", role) != role:
        raise ValueError("the response is for another role")
    credential = _object(response, "cloudAccountRoleAccessCredential")
    token = _object(credential, "alibabaCloudStsToken")
    parts = ("accessKeyId", "accessKeySecret", "securityToken")
    if not all(_is_visible(token.get(part), 8192) for part in parts):
        raise ValueError("the response has no usable credentials for Alibaba Cloud")
    ends = _positive(credential.get("accessCredentialExpiresAt"), 1e11), _time(token.get("expiration"))
    end = min((time for time in ends if time is not None), default=0.0)
    if end <= requested_at:
        raise ValueError("the credentials must end in the future")
    sts = StsCredential(
        token["accessKeyId"], Secret(token["accessKeySecret"]), Secret(token["securityToken"])
    )
    return IssuedCredential(sts.packed(), end)


def _issued_jwt(requirement: IssuedJwtRequirement, subject: str) -> StoreOperation:
    """`GenerateJwtAuthenticationToken`: a JWT of `subject`; no short token, which needs no authentication."""
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
    value = _object(response, "jwtContent").get("jwtValue")
    if not isinstance(value, str) or not _JWT.fullmatch(value):
        raise ValueError("the response has no usable JWT")
    if not (claims := unverified_claims(secret := Secret(value))):
        raise ValueError("the response has no usable JWT")
    audiences = claims.get("aud")
    if not isinstance(audiences, list):
        audiences = [audiences]
    if requirement.audience not in audiences:
        raise ValueError('claim "aud" of the JWT must contain the required audience')
    if claims.get("sub") != subject:
        raise ValueError('claim "sub" of the JWT must be the caller')
    expires_at = _positive(claims.get("exp"), 1e14) or 0.0
    if (milliseconds := response.get("expirationTime")) is not None:
        expires_at = min(expires_at, (_positive(milliseconds, 1e14) or 0.0) / 1000)
    if expires_at <= requested_at:
        raise ValueError("the JWT must end in the future")
    return IssuedCredential(secret, expires_at)


def _oauth_token(requirement: OAuthTokenRequirement, _subject: str) -> StoreOperation:
    """`FetchOAuthAuthenticationToken`: the token that IDaaS obtained from a foreign authorization server.

    Reading the response raises `ConsentRequiredError` if the user has to allow the access first.
    """
    body: dict[str, Any] = {"credentialProviderIdentifier": requirement.provider}
    if requirement.scopes:
        body["scope"] = " ".join(requirement.scopes)
    if requirement.parameters:
        body["customParameters"] = dict(requirement.parameters)
    if requirement.forced:
        body["forceAuthentication"] = True
    return StoreOperation(
        action="FetchOAuthAuthenticationToken",
        path="authenticationTokens/_/actions/fetchOAuthAccessToken",
        about=f'OAuth provider "{requirement.provider}"',
        read=partial(_read_oauth_token, requirement.provider),
        body=body,
    )


def _read_oauth_token(provider: str, response: Mapping[str, Any], requested_at: float) -> IssuedCredential:
    content = response.get("oauthAccessTokenContent")
    if not isinstance(content, dict):
        url = _authorization_url(response.get("oauthAuthorizationSession"))
        raise ConsentRequiredError(
            IdentityCode.CONSENT_REQUIRED,
            "the user has not allowed the access yet",
            about=f'OAuth provider "{provider}"',
            authorization_url=url,
        )
    token = content.get("accessTokenValue")
    kind = content.get("tokenType", "Bearer")
    if not _is_visible(token, 16384):
        raise ValueError("the response has no usable access token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ValueError('"tokenType" must be "Bearer"')
    milliseconds = response.get("expirationTime")
    if milliseconds is None:
        milliseconds = (requested_at + _UNKNOWN_LIFETIME) * 1000
    expires_at = end_of(secret := Secret(str(token)), (_positive(milliseconds, 1e15) or 0.0) / 1000)
    if expires_at <= requested_at:
        raise ValueError("the access token must end in the future")
    return IssuedCredential(secret, expires_at)


def _authorization_url(session: object) -> Secret:
    """The address to open. Raises `ValueError` if it is not one of the web: it becomes a link."""
    url = session.get("authorizationUrl") if isinstance(session, dict) else None
    if not isinstance(url, str) or not _is_visible(url, 4096):
        raise ValueError("the response has neither an access token nor an authorization session")
    if not is_secure_url(url):
        raise ValueError('"authorizationUrl" must be an https URL')
    return Secret(url)


_OPERATIONS: Final[Mapping[type[CredentialRequirement], Callable[[Any, str], StoreOperation]]] = {
    ApiKeyRequirement: _api_key,
    IssuedJwtRequirement: _issued_jwt,
    CloudRoleRequirement: _cloud_role,
    OAuthTokenRequirement: _oauth_token,
}


def _is_visible(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and _VISIBLE.fullmatch(value) is not None


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _positive(value: object, below: float) -> float | None:
    """`value` if it is a number between 0 and `below`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < below else None


def _time(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
