"""JWTs, OAuth tokens with the user's consent and cloud roles of PAM: by the wire and by the vendor's SDK."""

from urllib.parse import urlsplit

import pytest

from sandbox.addresses import INSTANCE
from sandbox.bucket import OBJECTS
from sandbox.ram import REPORT_READER
from sandbox.state.directory import PAM_AUDIENCE

SERVICE = "https://reports.sandbox.example"
BODY = {"credentialProviderIdentifier": "service_jwt", "audiences": [SERVICE], "subject": "sub1"}
JWT_SESSION = """
import json, sys
from cloud_idaas.core import IDaaSTokenResponse
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient
endpoint, instance, token, service = sys.argv[1:]
credential = IDaaSTokenResponse()
credential.access_token = token
client = IDaaSPamClient(endpoint, instance, credential_provider=StaticIDaaSCredentialProvider(credential))
issued = client.generate_jwt_authentication_token(
    "service_jwt", "sub1", [service], custom_claims={"tier": "gold"}, expiration=60
)
print(json.dumps({"value": issued.jwt_content.jwt_value, "id": issued.authentication_token_id}))
"""


@pytest.fixture
def pam(machine):
    return machine(scope=f"{PAM_AUDIENCE}|.all").json()["access_token"]


@pytest.fixture
def generate(sandbox, client, pam):
    def post(token=pam, **members):
        url = sandbox.url(f"/v2/{INSTANCE}/authenticationTokens/_/actions/generateJwt")
        headers = {"Authorization": f"Bearer {token}"}
        return client.post(url, json=BODY | members, headers=headers)

    return post


def test_jwt_is_issued_as_the_vendor_describes(sandbox, generate) -> None:
    response = generate()
    body = response.json()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    claims = sandbox.cloud.jwt_providers.claims(body["jwtContent"]["jwtValue"], "service_jwt", SERVICE)
    assert (claims["sub"], claims["aud"], claims["exp"] - claims["iat"]) == ("sub1", SERVICE, 900)
    assert body["expirationTime"] == claims["exp"] * 1000
    assert (body["consumerId"], body["creatorId"]) == ("sub1", "app_agent01")
    assert body["jwtContent"].keys() == {"jwtValue"}


@pytest.mark.parametrize(
    ("members", "status", "error"),
    [
        ({"audiences": ["urn:cloud:idaas:pam"]}, 400, "invalid_audience"),
        ({"audiences": []}, 400, "invalid_request"),
        ({"subject": ""}, 400, "invalid_request"),
        ({"issuer": "https://other.example"}, 400, "invalid_issuer"),
        ({"customClaims": {"sub": "bob"}}, 400, "invalid_request"),
        ({"expiration": 0}, 400, "invalid_request"),
        ({"credentialProviderIdentifier": "wrong"}, 404, "credential_provider_not_found"),
    ],
)
def test_request_outside_the_rules_is_refused(generate, members, status, error) -> None:
    response = generate(**members)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_both_authorizations_are_required(sandbox, generate, machine) -> None:
    token = machine(scope=f"{PAM_AUDIENCE}|credential:obtain").json()["access_token"]
    assert generate(token).json()["error"] == "insufficient_scope"
    sandbox.cloud.jwt_providers.find("service_jwt").readers.clear()
    assert generate().json()["error"] == "access_denied"


def test_the_sdk_generates_a_jwt(sandbox, sdk, pam) -> None:
    result = sdk(JWT_SESSION, sandbox.cloud.addresses.developer_api, INSTANCE, pam, SERVICE)
    claims = sandbox.cloud.jwt_providers.claims(result["value"], "service_jwt", SERVICE)
    assert (claims["tier"], claims["exp"] - claims["iat"], claims["jti"]) == ("gold", 60, result["id"])


OAUTH_SESSION = """
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
    result, find = sdk(OAUTH_SESSION, *arguments), sandbox.cloud.oauth_providers.by_value
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


ROLE_SESSION = """
import json, sys
from alibabacloud_eiam_developerapi20220225 import client, models
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
endpoint, instance, token, role, bucket, path = sys.argv[1:]
developer = client.Client(Config(endpoint=endpoint))
request = models.ObtainCloudAccountRoleAccessCredentialRequest(
    cloud_account_role_external_id=role, duration_seconds=900
)
headers = models.ObtainCloudAccountRoleAccessCredentialHeaders(authorization=f"Bearer {token}")
obtained = developer.obtain_cloud_account_role_access_credential_with_options(
    instance, request, headers, RuntimeOptions()
).body
sts = obtained.cloud_account_role_access_credential.alibaba_cloud_sts_token
config = Config(
    access_key_id=sts.access_key_id, access_key_secret=sts.access_key_secret,
    security_token=sts.security_token, endpoint=bucket, type="sts",
)
params = Params(
    action="ListObjects", version="2019-05-17", protocol="HTTPS", pathname=path, method="GET",
    auth_type="AK", style="ROA", req_body_type="json", body_type="json",
)
listed = Client(config).call_api(params, OpenApiRequest(query={"prefix": "a b~/"}), RuntimeOptions())
print(json.dumps({
    "role": obtained.cloud_account_role_external_id, "objects": listed["body"]["Objects"],
    "expires": obtained.cloud_account_role_access_credential.access_credential_expires_at,
}))
"""


@pytest.fixture
def obtain(sandbox, client, pam):
    def get(token=pam, **query):
        url = sandbox.url(f"/v2/{INSTANCE}/cloudAccountRoles/_/actions/obtainAccessCredential")
        query = {"cloudAccountRoleExternalId": REPORT_READER, "durationSeconds": "900"} | query
        return client.get(url, params=query, headers={"Authorization": f"Bearer {token}"})

    return get


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({"durationSeconds": "899"}, 400, "invalid_request"),
        ({"durationSeconds": "43201"}, 400, "invalid_request"),
        ({"cloudAccountRoleExternalId": "acs:ram::1:role/x"}, 404, "cloud_account_role_not_found"),
    ],
)
def test_role_outside_the_rules_is_refused(obtain, query, status, error) -> None:
    response = obtain(**query)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_both_authorizations_are_required_for_a_role(sandbox, obtain, machine) -> None:
    token = machine(scope=f"{PAM_AUDIENCE}|credential:obtain").json()["access_token"]
    assert obtain(token=token).json()["error"] == "insufficient_scope"
    sandbox.cloud.cloud_roles.role(REPORT_READER).readers.clear()
    assert obtain().json()["error"] == "access_denied"


def test_role_limits_the_duration(sandbox, obtain) -> None:
    sandbox.cloud.cloud_roles.role(REPORT_READER).longest = 3600
    credential = obtain(durationSeconds="7200").json()["cloudAccountRoleAccessCredential"]
    assert credential["accessCredentialExpiresAt"] == int(sandbox.clock.now) + 3600


def test_unsigned_request_to_the_bucket_is_refused(sandbox, client) -> None:
    response = client.get(f"{sandbox.cloud.addresses.bucket_url}/2026-10.txt")
    assert (response.status_code, response.json()["Code"]) == (400, "IncompleteSignature")


def test_the_vendors_clients_obtain_credentials_and_sign_a_request_with_them(sandbox, sdk, pam) -> None:
    bucket = urlsplit(sandbox.cloud.addresses.bucket_url)
    addresses = [sandbox.cloud.addresses.developer_api, INSTANCE, pam, REPORT_READER]
    assert sdk(ROLE_SESSION, *addresses, bucket.netloc, bucket.path) == {
        "role": REPORT_READER,
        "objects": sorted(OBJECTS),
        "expires": int(sandbox.clock.now) + 900,
    }
