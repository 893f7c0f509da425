"""JWTs, OAuth tokens with the user's consent and cloud roles of PAM: by the vendor's SDKs, and refusals."""

from urllib.parse import urlsplit

import pytest

from sandbox.addresses import INSTANCE
from sandbox.bucket import OBJECTS
from sandbox.ram import REPORT_READER
from sandbox.state.directory import PAM_AUDIENCE

SERVICE = "https://reports.sandbox.example"
JWT = "authenticationTokens/_/actions/generateJwt"
FETCH = "authenticationTokens/_/actions/fetchOAuthAccessToken"
SESSION = "oauthAuthorizationSessions/_/actions/get"
ROLE = "cloudAccountRoles/_/actions/obtainAccessCredential"

SDK_SESSION = """
import json, sys
import httpx
from alibabacloud_eiam_developerapi20220225 import client as developerapi, models
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from cloud_idaas.core import IDaaSTokenResponse
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient

endpoint, instance, machine, human, service, role, bucket, path = sys.argv[1:]

def client(token):
    credential = IDaaSTokenResponse()
    credential.access_token = token
    return IDaaSPamClient(endpoint, instance, credential_provider=StaticIDaaSCredentialProvider(credential))

agent, user = client(machine), client(human)
jwt = agent.generate_jwt_authentication_token(
    "service_jwt", "sub1", [service], custom_claims={"tier": "gold"}, expiration=60
)

rooms = agent.fetch_oauth_authentication_token_v2("calendar_rooms", "m2m")
first = user.fetch_oauth_authentication_token_v2("calendar", "user_federation", scope="calendar.read")
session = first.oauth_authorization_session
statuses = [user.get_oauth_authorization_session(session.session_uri).session_status]
httpx.post(session.authorization_url, data={"decision": "allow"}).raise_for_status()
statuses.append(user.get_oauth_authorization_session(session.session_uri).session_status)
second = user.fetch_oauth_authentication_token_v2("calendar", "user_federation", scope="calendar.read")

request = models.ObtainCloudAccountRoleAccessCredentialRequest(
    cloud_account_role_external_id=role, duration_seconds=900
)
headers = models.ObtainCloudAccountRoleAccessCredentialHeaders(authorization=f"Bearer {machine}")
obtained = developerapi.Client(
    Config(endpoint=endpoint)
).obtain_cloud_account_role_access_credential_with_options(
    instance, request, headers, RuntimeOptions()
).body.cloud_account_role_access_credential
sts = obtained.alibaba_cloud_sts_token
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
    "jwt": jwt.jwt_content.jwt_value,
    "jwt_id": jwt.authentication_token_id,
    "rooms": rooms.oauth_access_token_content.access_token_value,
    "statuses": statuses,
    "calendar": second.oauth_access_token_content.access_token_value,
    "role_expires": obtained.access_credential_expires_at,
    "objects": listed["body"]["Objects"],
}))
"""


@pytest.fixture
def pam(machine):
    """The agent's token for PAM."""
    return machine(scope=f"{PAM_AUDIENCE}|.all").json()["access_token"]


@pytest.fixture
def alices(exchange):
    """A token for PAM in exchange for alice's."""
    return exchange(scope=f"{PAM_AUDIENCE}|.all").json()["access_token"]


@pytest.fixture
def post(sandbox, client):
    def send(path, token, **members):
        url = sandbox.url(f"/v2/{INSTANCE}/{path}")
        return client.post(url, json=members, headers={"Authorization": f"Bearer {token}"})

    return send


@pytest.fixture
def generate(post, pam):
    """Asks for a JWT; keywords override members of the body."""
    body = {"credentialProviderIdentifier": "service_jwt", "audiences": [SERVICE], "subject": "sub1"}
    return lambda token=pam, **members: post(JWT, token, **(body | members))


@pytest.fixture
def obtain(sandbox, client, pam):
    """Asks for the credentials of the cloud role; keywords override parameters."""

    def get(token=pam, **query):
        query = {"cloudAccountRoleExternalId": REPORT_READER, "durationSeconds": "900"} | query
        url = sandbox.url(f"/v2/{INSTANCE}/{ROLE}")
        return client.get(url, params=query, headers={"Authorization": f"Bearer {token}"})

    return get


def test_the_vendors_sdks_use_every_operation(sandbox, sdk, pam, alices) -> None:
    bucket = urlsplit(sandbox.cloud.addresses.bucket_url)
    arguments = [sandbox.cloud.addresses.developer_api, INSTANCE, pam, alices, SERVICE, REPORT_READER]
    result = sdk(SDK_SESSION, *arguments, bucket.netloc, bucket.path)
    claims = sandbox.cloud.jwt_providers.claims(result["jwt"], "service_jwt", SERVICE)
    assert (claims["tier"], claims["exp"] - claims["iat"], claims["jti"]) == ("gold", 60, result["jwt_id"])
    find = sandbox.cloud.oauth_providers.by_value
    assert result["statuses"] == ["pending", "completed"]
    assert find(result["rooms"]).consumer == "app_agent01"
    assert find(result["calendar"]).consumer == "user_alice01"
    assert result["role_expires"] == int(sandbox.clock.now) + 900
    assert result["objects"] == sorted(OBJECTS)


def test_both_authorizations_are_required(sandbox, generate, obtain, machine) -> None:
    token = machine(scope=f"{PAM_AUDIENCE}|credential:obtain").json()["access_token"]
    assert generate(token).json()["error"] == obtain(token).json()["error"] == "insufficient_scope"
    sandbox.cloud.jwt_providers.find("service_jwt").readers.clear()
    sandbox.cloud.cloud_roles.role(REPORT_READER).readers.clear()
    assert generate().json()["error"] == obtain().json()["error"] == "access_denied"


def test_denied_and_expired_sessions_give_no_token(sandbox, client, post, pam, alices) -> None:
    def fetched():
        return post(FETCH, alices, credentialProviderIdentifier="calendar").json()[
            "oauthAuthorizationSession"
        ]

    session = fetched()
    assert fetched()["sessionId"] == session["sessionId"]
    assert "Denied" in client.post(session["authorizationUrl"], data={"decision": "deny"}).text
    failed = post(SESSION, alices, sessionUri=session["sessionUri"]).json()
    assert (failed["sessionStatus"], failed["errorCode"]) == ("failed", "access_denied")
    assert client.post(session["authorizationUrl"], data={"decision": "allow"}).status_code == 404
    later = fetched()
    sandbox.clock.advance(601)
    expired = post(SESSION, alices, sessionUri=later["sessionUri"]).json()
    assert (expired["sessionStatus"], "authorizationUrl" in expired) == ("expired", False)
    assert post(SESSION, pam, sessionUri=later["sessionUri"]).status_code == 404
    assert sandbox.cloud.oauth_providers.tokens() == ()
