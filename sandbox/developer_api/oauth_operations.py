"""The operations on OAuth tokens of PAM: fetch one, and see how far a user's consent is."""

from typing import Any

from sandbox.addresses import INSTANCE
from sandbox.developer_api.endpoint import Members, check_released, text
from sandbox.oauth_error import OAuthError
from sandbox.state.access_tokens import IssuedToken
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT
from sandbox.state.oauth_providers import AuthorizationSession, OAuthToken


class OAuthOperations:
    """Each method is an operation."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def fetch(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """FetchOAuthAuthenticationToken: a token, or the session in which the user may consent."""
        providers = self._cloud.oauth_providers
        provider = providers.find(text(given, "credentialProviderIdentifier"))
        if provider is None:
            raise OAuthError("credential_provider_not_found", "the provider is unknown", status=404)
        check_released(self._cloud, token, provider.readers)
        if not provider.enabled:
            raise OAuthError("credential_disabled", "the provider is disabled", status=403)
        scope = str(given.get("scope") or provider.scope)
        is_machine = token.subject == token.client_id
        if provider.flow == "user_federation" and is_machine:
            raise OAuthError("invalid_request", "the provider needs a user's token")
        consumer = token.client_id if provider.flow == "m2m" else token.subject
        stored = providers.stored(provider, consumer, scope)
        if stored is not None and given.get("forceAuthentication") is not True:
            return _token(stored, token.client_id)
        if provider.flow == "m2m":
            return _token(providers.issue(provider, consumer, scope), token.client_id)
        session = providers.begin(provider, token.client_id, consumer, scope)
        return {"oauthAuthorizationSession": self._session(session)}

    def session(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """GetOAuthAuthorizationSession, for the user of the session only."""
        session = self._cloud.oauth_providers.session(text(given, "sessionUri").rpartition(":")[2])
        if session is None or session.consumer != token.subject:
            raise OAuthError("authorization_session_not_found", "the session is unknown", status=404)
        return self._session(session)

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


def _token(token: OAuthToken, creator: str) -> dict[str, Any]:
    content = {"accessTokenValue": token.value, "tokenType": "Bearer", "scope": token.scope}
    return {
        "instanceId": INSTANCE,
        "authenticationTokenId": token.token_id,
        "authenticationTokenType": "oauth_access_token",
        "credentialProviderId": token.provider.provider_id,
        "creatorType": "application",
        "creatorId": creator,
        "consumerType": "application" if token.consumer == AGENT else "custom",
        "consumerId": token.consumer,
        "revoked": False,
        "createTime": int(token.created_at * 1000),
        "updateTime": int(token.created_at * 1000),
        "expirationTime": int(token.expires_at * 1000),
        "oauthAccessTokenContent": content,
    }
