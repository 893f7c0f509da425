"""The operations: API keys, JWTs, cloud roles and OAuth tokens, each released to clients and users by PAM."""

from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.addresses import INSTANCE
from sandbox.developer_api.endpoint import Members, check_released, text
from sandbox.oauth_error import OAuthError, required
from sandbox.ram import CloudRole, utc_text
from sandbox.state.access_tokens import IssuedToken
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT
from sandbox.state.jwt_providers import IssuedJwt, JwtProvider
from sandbox.state.oauth_providers import AuthorizationSession, OAuthProvider, OAuthToken

_P = TypeVar("_P", JwtProvider, OAuthProvider)
_RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_LONGEST_JWT = 30 * 24 * 3600
_SHORTEST, _LONGEST = 900, 43200
"""Seconds for which a cloud role may be taken."""


class Operations:
    """Each public method is an operation, which raises OAuthError. Times are in milliseconds."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def obtain_credential(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """ObtainCredential: an API key, for the token's client and under a user's token also for the user."""
        identifier = required(dict(given), "credentialIdentifier")
        entry = self._cloud.vault.find(identifier)
        if entry is None:
            raise OAuthError("credential_not_found", "the credential identifier is unknown", status=404)
        check_released(self._cloud, token, entry.readers)
        if not entry.enabled:
            raise OAuthError("access_denied", "the credential is disabled")
        return {
            "instanceId": INSTANCE,
            "credentialId": entry.credential_id,
            "credentialIdentifier": entry.identifier,
            "credentialName": entry.name,
            "credentialType": "api_key",
            "credentialScenarioLabel": entry.scenario,
            "credentialCreationType": "user_custom",
            "status": "enabled",
            "createTime": int(entry.created_at * 1000),
            "updateTime": int(entry.updated_at * 1000),
            "credentialContent": {"apiKeyContent": {"apiKey": entry.api_key}},
        }

    def generate_jwt(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """GenerateJwtAuthenticationToken. A client that may use the provider chooses the subject."""
        provider = self._released(token, given, self._cloud.jwt_providers.find)
        audiences, claims = given.get("audiences"), given.get("customClaims", {})
        if not isinstance(audiences, list) or not audiences or not all(isinstance(a, str) for a in audiences):
            raise OAuthError("invalid_request", 'member "audiences" must be a list of texts')
        if any(audience.startswith("urn:cloud:idaas") for audience in audiences):
            raise OAuthError("invalid_audience", 'an audience must not begin with "urn:cloud:idaas"')
        if not isinstance(claims, dict) or _RESERVED & claims.keys():
            raise OAuthError("invalid_request", 'member "customClaims" must have no registered claim')
        issuer, lifetime = given.get("issuer"), given.get("expiration", provider.lifetime)
        if issuer not in (None, provider.issuer, *provider.allowed_issuers):
            raise OAuthError("invalid_issuer", "the issuer is not in the provider's list")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int) or not 0 < lifetime <= _LONGEST_JWT:
            raise OAuthError("invalid_request", 'member "expiration" must be a number of seconds')
        issued = self._cloud.jwt_providers.issue(
            provider,
            subject=text(given, "subject"),
            audiences=audiences,
            issuer=issuer,
            lifetime=lifetime,
            claims=claims,
        )
        described = _token(issued, "jwt", token.client_id)
        return described | {"jwtContent": {"jwtValue": issued.value}}

    def assume_role(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """ObtainCloudAccountRoleAccessCredential. The role's own limit caps the duration."""
        role = self._cloud.cloud_roles.role(text(given, "cloudAccountRoleExternalId"))
        seconds = str(given.get("durationSeconds", _SHORTEST))
        if not seconds.isdecimal() or not _SHORTEST <= int(seconds) <= _LONGEST:
            raise OAuthError("invalid_request", f"durationSeconds must be from {_SHORTEST} to {_LONGEST}")
        if role is None:
            raise OAuthError("cloud_account_role_not_found", "the role is unknown", status=404)
        check_released(self._cloud, token, role.readers)
        if not role.enabled:
            raise OAuthError("credential_disabled", "the role is disabled", status=403)
        credential = self._cloud.cloud_roles.issue(role, min(int(seconds), role.longest))
        return _described(role) | {
            "cloudAccountRoleAccessCredential": {
                "accessCredentialExpiresAt": int(credential.expires_at),
                "alibabaCloudStsToken": {
                    "accessKeyId": credential.access_key_id,
                    "accessKeySecret": credential.access_key_secret,
                    "securityToken": credential.security_token,
                    "expiration": utc_text(credential.expires_at),
                },
            }
        }

    def fetch_token(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """FetchOAuthAuthenticationToken: a token, or the session in which the user may consent."""
        providers = self._cloud.oauth_providers
        provider = self._released(token, given, providers.find)
        scope = str(given.get("scope") or provider.scope)
        is_machine = token.subject == token.client_id
        if provider.flow == "user_federation" and is_machine:
            raise OAuthError("invalid_request", "the provider needs a user's token")
        consumer = token.client_id if provider.flow == "m2m" else token.subject
        stored = providers.stored(provider, consumer, scope)
        if stored is not None and given.get("forceAuthentication") is not True:
            return _oauth_token(stored, token.client_id)
        if provider.flow == "m2m":
            return _oauth_token(providers.issue(provider, consumer, scope), token.client_id)
        session = providers.begin(provider, token.client_id, consumer, scope)
        return {"oauthAuthorizationSession": self._session(session)}

    def session(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """GetOAuthAuthorizationSession, for the user of the session only."""
        session = self._cloud.oauth_providers.session(text(given, "sessionUri").rpartition(":")[2])
        if session is None or session.consumer != token.subject:
            raise OAuthError("authorization_session_not_found", "the session is unknown", status=404)
        return self._session(session)

    def _released(self, token: IssuedToken, given: Members, find: Callable[[str], _P | None]) -> _P:
        """The provider that the request names, released to the caller and enabled."""
        provider = find(text(given, "credentialProviderIdentifier"))
        if provider is None:
            raise OAuthError("credential_provider_not_found", "the provider is unknown", status=404)
        check_released(self._cloud, token, provider.readers)
        if not provider.enabled:
            raise OAuthError("credential_disabled", "the provider is disabled", status=403)
        return provider

    def _session(self, session: AuthorizationSession) -> dict[str, Any]:
        status, more = str(session.status), dict[str, Any]()
        if status == "pending" and not self._cloud.oauth_providers.is_open(session):
            status = "expired"
        elif status == "pending":
            more["authorizationUrl"] = f"{self._cloud.addresses.idaas_plain}/calendar/{session.session_id}"
        elif status == "failed":
            more = {"errorCode": "access_denied", "errorDescription": "the user denied the access"}
        else:
            more["authenticationTokenId"] = session.token_id
        return {
            "instanceId": INSTANCE,
            "sessionId": session.session_id,
            "sessionUri": session.uri,
            "sessionStatus": status,
            "credentialProviderIdentifier": session.provider.identifier,
            "consumerType": "custom",
            "consumerId": session.consumer,
            "creatorType": "application",
            "creatorId": session.creator,
            "expirationTime": int(session.expires_at * 1000),
            **more,
        }


def _token(token: IssuedJwt | OAuthToken, kind: str, creator: str) -> dict[str, Any]:
    """The members that tokens of all kinds share."""
    return {
        "instanceId": INSTANCE,
        "authenticationTokenId": token.token_id,
        "authenticationTokenType": kind,
        "credentialProviderId": token.provider.provider_id,
        "creatorType": "application",
        "creatorId": creator,
        "consumerType": "application" if token.consumer == AGENT else "custom",
        "consumerId": token.consumer,
        "revoked": False,
        "createTime": int(token.created_at * 1000),
        "updateTime": int(token.created_at * 1000),
        "expirationTime": int(token.expires_at * 1000),
    }


def _oauth_token(token: OAuthToken, creator: str) -> dict[str, Any]:
    content = {"accessTokenValue": token.value, "tokenType": "Bearer", "scope": token.scope}
    return _token(token, "oauth_access_token", creator) | {"oauthAccessTokenContent": content}


def _described(role: CloudRole) -> dict[str, Any]:
    return {
        "cloudAccountId": "ca_sandbox01",
        "cloudAccountRoleId": role.role_id,
        "cloudAccountRoleName": role.name,
        "cloudAccountRoleExternalId": role.external_id,
        "cloudAccountVendorType": "alibaba_cloud",
    }
