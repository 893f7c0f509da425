"""JWTs of PAM, by the wire and by the vendor's SDK unchanged."""

import pytest

from sandbox.addresses import INSTANCE
from sandbox.state.directory import PAM_AUDIENCE

SERVICE = "https://reports.sandbox.example"
BODY = {"credentialProviderIdentifier": "service_jwt", "audiences": [SERVICE], "subject": "sub1"}
SDK_SESSION = """
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
    result = sdk(SDK_SESSION, sandbox.cloud.addresses.developer_api, INSTANCE, pam, SERVICE)
    claims = sandbox.cloud.jwt_providers.claims(result["value"], "service_jwt", SERVICE)
    assert (claims["tier"], claims["exp"] - claims["iat"], claims["jti"]) == ("gold", 60, result["id"])
