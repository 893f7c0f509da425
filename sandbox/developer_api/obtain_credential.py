"""ObtainCredential: an API key for callers with both authorizations of Agent ID Guard."""

from typing import Any

from sandbox.addresses import INSTANCE
from sandbox.developer_api.endpoint import Members, check_released
from sandbox.oauth_error import OAuthError, required
from sandbox.state.access_tokens import IssuedToken
from sandbox.state.cloud import Cloud
from sandbox.state.vault import VaultCredential

PERMISSION = "credential:obtain"


class ObtainCredential:
    """Released to the client that obtained the token, and under a user's token also to that user."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def perform(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """The credential. Raises OAuthError."""
        identifier = required(dict(given), "credentialIdentifier")
        if {token.client_id, token.subject} & self._cloud.directory.disabled:
            raise OAuthError("access_denied", "the client or the user is disabled")
        entry = self._cloud.vault.find(identifier)
        if entry is None:
            raise OAuthError("credential_not_found", "the credential identifier is unknown", status=404)
        check_released(self._cloud, token, entry.readers)
        if not entry.enabled:
            raise OAuthError("access_denied", "the credential is disabled")
        return _body(entry)


def _body(entry: VaultCredential) -> dict[str, Any]:
    """Names in camelCase, times in milliseconds."""
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
