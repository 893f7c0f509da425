"""The Developer API's `FetchOAuthAuthenticationToken`."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import OAuthTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import ConsentRequiredError
from identity.idaas.credential_store.store_operation import StoreOperation
from identity.idaas.token_response import end_of
from identity.secrets.secret import Secret

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_URL: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_UNKNOWN_LIFETIME: Final = 600.0
"""Seconds for which a token without an expiry is used before it is fetched again."""


def fetch_oauth_token(requirement: OAuthTokenRequirement, _subject: str) -> StoreOperation:
    """The operation that fetches the token that IDaaS obtained from a foreign authorization server.

    Reading the response raises `ConsentRequiredError` if the user has to allow the access first.
    """
    body: dict[str, Any] = {"credentialProviderIdentifier": requirement.provider}
    if requirement.scopes:
        body["scope"] = " ".join(requirement.scopes)
    if requirement.parameters:
        body["customParameters"] = dict(requirement.parameters)
    return StoreOperation(
        action="FetchOAuthAuthenticationToken",
        path="authenticationTokens/_/actions/fetchOAuthAccessToken",
        about=f'OAuth provider "{requirement.provider}"',
        error_code=IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE,
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
    token, kind = content.get("accessTokenValue"), content.get("tokenType", "Bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError("the response has no usable access token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ValueError('"tokenType" must be "Bearer"')
    milliseconds = response.get("expirationTime")
    if milliseconds is None:
        milliseconds = (requested_at + _UNKNOWN_LIFETIME) * 1000
    is_time = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    if not is_time or not 0 < milliseconds < 1e15:
        raise ValueError("the access token must end in the future")
    expires_at = end_of(secret := Secret(token), milliseconds / 1000)
    if expires_at <= requested_at:
        raise ValueError("the access token must end in the future")
    return IssuedCredential(secret, expires_at)


def _authorization_url(session: object) -> Secret:
    """The address to open. Raises `ValueError` if it is not one of the web: it becomes a link."""
    url = session.get("authorizationUrl") if isinstance(session, dict) else None
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise ValueError("the response has neither an access token nor an authorization session")
    parts = urlsplit(url)
    is_loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if (
        not parts.hostname
        or parts.username
        or parts.scheme not in (("https", "http") if is_loopback else ("https",))
    ):
        raise ValueError('"authorizationUrl" must be an https URL')
    return Secret(url)
