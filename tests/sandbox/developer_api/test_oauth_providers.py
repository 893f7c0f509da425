"""OAuth tokens of PAM, with the user's consent, by the vendor's SDK unchanged and by the wire."""

import pytest

from sandbox.addresses import INSTANCE
from sandbox.state.directory import PAM_AUDIENCE

SDK_SESSION = """
import json, sys
import httpx
from cloud_idaas.core import IDaaSTokenResponse
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient
endpoint, instance, machine, human = sys.argv[1:]
def client(token):
    credential = IDaaSTokenResponse()
    credential.access_token = token
    return IDaaSPamClient(endpoint, instance, credential_provider=StaticIDaaSCredentialProvider(credential))
rooms = client(machine).fetch_oauth_authentication_token_v2("calendar_rooms", "m2m")
user = client(human)
first = user.fetch_oauth_authentication_token_v2("calendar", "user_federation", scope="calendar.read")
session = first.oauth_authorization_session
statuses = [user.get_oauth_authorization_session(session.session_uri).session_status]
httpx.post(session.authorization_url, data={"decision": "allow"}).raise_for_status()
statuses.append(user.get_oauth_authorization_session(session.session_uri).session_status)
second = user.fetch_oauth_authentication_token_v2("calendar", "user_federation", scope="calendar.read")
print(json.dumps({
    "rooms": rooms.oauth_access_token_content.access_token_value, "statuses": statuses,
    "calendar": second.oauth_access_token_content.access_token_value,
}))
"""


@pytest.fixture
def tokens(sandbox, machine, exchange):
    """Tokens for PAM: of the agent, and of alice."""
    scope = f"{PAM_AUDIENCE}|.all"
    return machine(scope=scope).json()["access_token"], exchange(scope=scope).json()["access_token"]


@pytest.fixture
def post(sandbox, client):
    def send(path, token, **members):
        url = sandbox.url(f"/v2/{INSTANCE}/{path}")
        return client.post(url, json=members, headers={"Authorization": f"Bearer {token}"})

    return send


def test_the_sdk_fetches_tokens_after_the_users_consent(sandbox, sdk, tokens) -> None:
    arguments = [sandbox.cloud.addresses.developer_api, INSTANCE, *tokens]
    result, find = sdk(SDK_SESSION, *arguments), sandbox.cloud.oauth_providers.by_value
    assert result["statuses"] == ["pending", "completed"]
    assert find(result["rooms"]).consumer == "app_agent01"
    assert find(result["calendar"]).consumer == "user_alice01"


def test_denied_and_expired_sessions_give_no_token(sandbox, client, tokens, post) -> None:
    fetch, get = (
        "authenticationTokens/_/actions/fetchOAuthAccessToken",
        "oauthAuthorizationSessions/_/actions/get",
    )
    body = {"credentialProviderIdentifier": "calendar"}
    session = post(fetch, tokens[1], **body).json()["oauthAuthorizationSession"]
    again = post(fetch, tokens[1], **body).json()["oauthAuthorizationSession"]
    assert again["sessionId"] == session["sessionId"]
    assert "Denied" in client.post(session["authorizationUrl"], data={"decision": "deny"}).text
    failed = post(get, tokens[1], sessionUri=session["sessionUri"]).json()
    assert (failed["sessionStatus"], failed["errorCode"]) == ("failed", "access_denied")
    assert client.post(session["authorizationUrl"], data={"decision": "allow"}).status_code == 404
    later = post(fetch, tokens[1], **body).json()["oauthAuthorizationSession"]
    sandbox.clock.advance(601)
    expired = post(get, tokens[1], sessionUri=later["sessionUri"]).json()
    assert (expired["sessionStatus"], "authorizationUrl" in expired) == ("expired", False)
    assert post(get, tokens[0], sessionUri=later["sessionUri"]).status_code == 404
    assert sandbox.cloud.oauth_providers.tokens() == ()
