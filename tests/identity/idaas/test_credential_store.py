"""Credentials of the store: responses of the Developer API, and requests equal to those of the vendor's SDKs.

Both talk to one recording server. `test_sdk_parity` has API keys, with the methods of client authentication.
"""

import asyncio
import json
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.settings.settings import read_settings
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import CloudRoleRequirement, IssuedJwtRequirement, OAuthTokenRequirement
from identity.credentials.signed_request import StsCredential
from identity.error_codes import IdentityCode
from identity.errors import ConsentRequiredError, CredentialError, RequirementRefusedError
from identity.idaas.client import IDaaSClient
from identity.idaas.credential_store import store_operation
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from sandbox.addresses import INSTANCE
from tests.identity.credentials.controlled_issuer import settled
from tests.identity.idaas.sandbox_client import refusal
from tests.recorder import Recorder
from tests.running_agent import StartAgent

ROLE = "acs:ram::1000000000000001:role/report-reader"
ROLE_OPERATION = store_operation(CloudRoleRequirement(ROLE, 900), "alice")


def role_response(**members: Any) -> dict[str, Any]:
    token = {
        "accessKeyId": "STS.sandbox",
        "accessKeySecret": "x",
        "securityToken": "y",
        "expiration": "2026-11-25T11:04:21Z",
    }
    credential = {"accessCredentialExpiresAt": 1_795_604_661, "alibabaCloudStsToken": token | members}
    return {"cloudAccountRoleExternalId": ROLE, "cloudAccountRoleAccessCredential": credential}


def test_credentials_end_at_the_earlier_of_both_times() -> None:
    issued = ROLE_OPERATION.read(role_response(), 1_795_600_000.0)
    assert issued.expires_at == 1_795_604_661.0
    assert StsCredential.unpacked(issued.secret).access_key_id == "STS.sandbox"
    earlier = ROLE_OPERATION.read(role_response(expiration="2026-11-25T10:54:21Z"), 1_795_600_000.0)
    assert earlier.expires_at == 1_795_604_061.0
    assert ROLE_OPERATION.read(role_response(expiration=None), 1_795_600_000.0).expires_at == 1_795_604_661.0


CALENDAR = OAuthTokenRequirement("calendar", ("calendar.read", "calendar.write"))
OAUTH_OPERATION = store_operation(CALENDAR, "alice")
NOW = 1000.0


def content(**members: Any) -> dict[str, Any]:
    return {"oauthAccessTokenContent": {"accessTokenValue": "gho_x", "tokenType": "bearer"} | members}


def session(url: str) -> dict[str, Any]:
    return {"oauthAuthorizationSession": {"sessionStatus": "pending", "authorizationUrl": url}}


def test_request_contains_the_provider_and_the_scopes() -> None:
    assert OAUTH_OPERATION.body == {
        "credentialProviderIdentifier": "calendar",
        "scope": "calendar.read calendar.write",
    }
    assert store_operation(OAuthTokenRequirement("calendar"), "alice").body == {
        "credentialProviderIdentifier": "calendar"
    }


def test_token_in_place_of_the_kept_one_is_requested_with_force_and_is_no_other_credential() -> None:
    anew = CALENDAR.anew
    assert anew is not None
    assert (anew, anew.anew) == (CALENDAR, anew)
    assert store_operation(anew, "alice").body == {
        **(OAUTH_OPERATION.body or {}),
        "forceAuthentication": True,
    }


def test_token_ends_at_its_time_and_without_one_is_fetched_again_soon() -> None:
    ends = content() | {"expirationTime": 2_000_000}
    assert OAUTH_OPERATION.read(ends, NOW) == IssuedCredential(Secret("gho_x"), 2000.0)
    assert OAUTH_OPERATION.read(content(), NOW).expires_at == NOW + 600


@pytest.mark.promise("never-expired")
@pytest.mark.parametrize("time", [{}, {"expirationTime": 1_500_000}])
def test_jwt_ends_with_its_own_exp_if_that_is_earlier(time: dict[str, int]) -> None:
    for exp, end in ((NOW + 60, NOW + 60), (NOW + 3600, 1500.0 if time else NOW + 600)):
        token = jwt.encode({"exp": exp}, "k" * 32, algorithm="HS256")
        assert OAUTH_OPERATION.read(content(accessTokenValue=token) | time, NOW).expires_at == end
    with pytest.raises(ValueError, match="must end in the future"):
        OAUTH_OPERATION.read(content(accessTokenValue=jwt.encode({"exp": NOW}, "k" * 32)) | time, NOW)


@pytest.mark.parametrize("url", ["https://idp.example/authorize?state=1", "http://localhost:9400/x"])
def test_session_requires_consent_at_its_address(url: str) -> None:
    with pytest.raises(ConsentRequiredError) as caught:
        OAUTH_OPERATION.read(session(url), NOW)
    for error in (caught.value, caught.value.again(), caught.value.of("calendar")):
        assert error.code is IdentityCode.CONSENT_REQUIRED
        assert error.authorization_url.reveal() == url
        shown = [str(error), repr(error), error.detail, *error.__notes__]
        assert not [text for text in shown if url in text]


MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
REPORTS = "https://reports.sandbox.example"
REQUIREMENT = IssuedJwtRequirement("service_jwt", REPORTS, (("tier", "gold"),))


@pytest.fixture
async def alice(sandbox: Any, start_agent: StartAgent) -> Any:
    agent = await start_agent()
    return await agent.composed.verifier.verify(Secret(sandbox.access_token("alice")))


@pytest.mark.parametrize(("access_identity", "subject"), [(MACHINE, "app_agent01"), (HUMAN, "user_alice01")])
async def test_jwt_names_the_caller_and_is_requested_once(sandbox, broker, alice, access_identity, subject):
    first = await broker.obtain(REQUIREMENT, access_identity, alice)
    again = await broker.obtain(REQUIREMENT, access_identity, alice)
    claims = sandbox.cloud.jwt_providers.claims(first.secret.reveal(), "service_jwt", REPORTS)
    assert (claims["sub"], claims["tier"]) == (subject, "gold")
    assert again.secret is first.secret
    assert claims["exp"] - 90 <= first.expires_at <= claims["exp"]
    assert sandbox.cloud.counters.snapshot()["developer_api:GenerateJwtAuthenticationToken"] == 1


async def test_unknown_provider_is_refused(broker: CredentialBroker) -> None:
    error = await refusal(
        broker.obtain(IssuedJwtRequirement("wrong", REPORTS), MACHINE, None), RequirementRefusedError
    )
    assert (error.code, '"wrong"' in error.detail) == (IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE, True)


def signed(**claims: Any) -> str:
    return jwt.encode({"sub": "alice", "aud": REPORTS, "exp": 2000} | claims, "k" * 32, algorithm="HS256")


JWT_OPERATION = store_operation(REQUIREMENT, "alice")


def test_jwt_ends_with_the_earlier_of_both_times() -> None:
    response = {"jwtContent": {"jwtValue": signed(aud=[REPORTS])}, "expirationTime": 1_900_000}
    assert JWT_OPERATION.read(response, NOW).expires_at == 1900.0
    assert JWT_OPERATION.read(response | {"expirationTime": None}, 1.0).expires_at == 2000.0


@pytest.mark.parametrize(
    ("operation", "response", "expected"),
    [
        (ROLE_OPERATION, {}, "no usable"),
        (ROLE_OPERATION, {"cloudAccountRoleExternalId": "acs:ram::1:role/other"}, "another role"),
        (
            ROLE_OPERATION,
            {"cloudAccountRoleAccessCredential": {"awsStsToken": {"accessKeyId": "canary"}}},
            "no usable",
        ),
        (ROLE_OPERATION, role_response(accessKeySecret=""), "no usable"),
        (ROLE_OPERATION, role_response(securityToken="canary\n"), "no usable"),
        (ROLE_OPERATION, role_response(expiration="1970-01-01T00:15:00Z"), "future"),
        (OAUTH_OPERATION, {}, "neither an access token"),
        (OAUTH_OPERATION, session("javascript:alert(1)"), "https URL"),
        (OAUTH_OPERATION, session("http://idp.example/canary"), "https URL"),
        (OAUTH_OPERATION, session("https://idp.example@canary.example/"), "https URL"),
        (OAUTH_OPERATION, session("https://idp.example/ canary"), "neither an access token"),
        (OAUTH_OPERATION, content(accessTokenValue="canary\n"), "no usable"),
        (OAUTH_OPERATION, content(tokenType="mac"), "tokenType"),
        (OAUTH_OPERATION, content() | {"expirationTime": 900_000}, "future"),
        (OAUTH_OPERATION, content() | {"expirationTime": "canary"}, "future"),
        (JWT_OPERATION, {}, "no usable JWT"),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": "a b"}}, "no usable JWT"),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": "a.b.c"}}, "no usable JWT"),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": signed(aud="https://other.example")}}, '"aud"'),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": signed(sub="bob")}}, '"sub"'),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": signed(exp=900)}}, "future"),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": signed()}, "expirationTime": 900_000}, "future"),
        (JWT_OPERATION, {"jwtContent": {"jwtValue": signed()}, "expirationTime": "canary"}, "future"),
    ],
)
def test_unusable_response_is_refused_without_a_value(operation, response, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        operation.read(response, NOW)
    assert "canary" not in str(caught.value)


async def test_jwt_is_removed_when_idaas_refuses_the_next_one(sandbox, broker, alice):
    await broker.obtain(REQUIREMENT, HUMAN, alice)
    sandbox.cloud.jwt_providers.find("service_jwt").enabled = False
    sandbox.clock.advance(840)  # it is still valid, and its renewal is due
    assert broker.cached(REQUIREMENT, HUMAN, alice) is not None
    await settled(broker)
    assert broker.cached(REQUIREMENT, HUMAN, alice) is None
    error = await refusal(broker.obtain(REQUIREMENT, HUMAN, alice), CredentialError)
    assert error.code is IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE


SERVICE = "https://reports.example"
SDK_SESSION = """
import sys
from alibabacloud_eiam_developerapi20220225 import client, models
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from cloud_idaas.core import IDaaSTokenResponse
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient
endpoint, instance, role, service = sys.argv[1:]
credential = IDaaSTokenResponse()
credential.access_token = "pam.token"
pam = IDaaSPamClient(endpoint, instance, credential_provider=StaticIDaaSCredentialProvider(credential))
pam.generate_jwt_authentication_token("service_jwt", "sub1", [service], custom_claims={"tier": "gold"})
pam.fetch_oauth_authentication_token_v2(
    "calendar", "user_federation", scope="read write", custom_parameters={"access_type": "offline"}
)
pam.fetch_oauth_authentication_token_v2(
    "calendar", "user_federation", scope="read", force_authentication=True
)
client.Client(Config(endpoint=endpoint)).obtain_cloud_account_role_access_credential_with_options(
    instance,
    models.ObtainCloudAccountRoleAccessCredentialRequest(
        cloud_account_role_external_id=role, duration_seconds=900
    ),
    models.ObtainCloudAccountRoleAccessCredentialHeaders(authorization="Bearer pam.token"),
    RuntimeOptions(),
)
"""


def respond(request: Request) -> Response:
    """A usable response of each operation."""
    later = int(time.time()) + 600
    match request.headers["x-acs-action"]:
        case "GenerateJwtAuthenticationToken":
            claims = {"sub": "sub1", "aud": SERVICE, "exp": later}
            value = jwt.encode(claims, "k" * 32, algorithm="HS256")
            return JSONResponse({"jwtContent": {"jwtValue": value}, "expirationTime": later * 1000})
        case "FetchOAuthAuthenticationToken":
            content = {"accessTokenValue": "foreign.token", "tokenType": "Bearer"}
            return JSONResponse({"oauthAccessTokenContent": content, "expirationTime": later * 1000})
        case _:
            sts = {
                "accessKeyId": "STS.id",
                "accessKeySecret": "secret",
                "securityToken": "token",
                "expiration": datetime.fromtimestamp(later, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            given = {"alibabaCloudStsToken": sts, "accessCredentialExpiresAt": later}
            body = {"cloudAccountRoleExternalId": ROLE, "cloudAccountRoleAccessCredential": given}
            return JSONResponse(body)


def recorded(recorder: Recorder) -> dict[str, Any]:
    """The requests by their action, with what differs each time replaced by its shape. Clears it."""
    found = {}
    for request, body in zip(recorder.requests, recorder.bodies, strict=True):
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("accept", "authorization", "content-type") or name.startswith("x-acs-")
        }
        headers["x-acs-signature-nonce"] = re.sub(
            "^[0-9a-f]{32}$", "<a nonce>", headers["x-acs-signature-nonce"]
        )
        content = json.loads(body) if body else None
        forced = " with force" if (content or {}).get("forceAuthentication") else ""
        found[headers["x-acs-action"] + forced] = {
            "method": request.method,
            "path": request.url.path,
            "query": sorted(request.query_params.multi_items()),
            "body": content,
            "headers": headers,
            "has date": "date" in request.headers,
        }
    recorder.requests.clear()
    recorder.bodies.clear()
    return found


@pytest.fixture
def variables(sandbox: Any, endpoint: str, tmp_path: Path) -> dict[str, str]:
    """The variables of the sandbox's agent, with the recorder as its Developer API."""
    content = json.loads(Path(sandbox.environment["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
    configuration = tmp_path / "client-config.json"
    configuration.write_text(json.dumps(content | {"developerApiEndpoint": endpoint}))
    return {**sandbox.environment, "CLOUD_IDAAS_CONFIG_PATH": str(configuration)}


@pytest.fixture
async def endpoint(sandbox: Any, serve: Any, recorder: Recorder) -> str:
    certificates = Path(sandbox.environment["SSL_CERT_FILE"]).parent
    url = await serve(
        recorder, ssl_certfile=certificates / "localhost.pem", ssl_keyfile=certificates / "localhost-key.pem"
    )
    return str(url).replace("https://127.0.0.1", "localhost")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(respond)


async def test_store_operations_equal_those_of_the_sdks(sandbox, endpoint, recorder, variables):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SDK_SESSION, endpoint, INSTANCE, ROLE, SERVICE),
        env={**os.environ, "SSL_CERT_FILE": sandbox.environment["SSL_CERT_FILE"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    theirs = recorded(recorder)
    assert len(theirs) == 4

    settings = read_settings(variables)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client, token = IDaaSClient(settings.idaas, http), Secret("pam.token")
        await client.obtain(token, IssuedJwtRequirement("service_jwt", SERVICE, (("tier", "gold"),)), "sub1")
        requirement = OAuthTokenRequirement("calendar", ("read", "write"), (("access_type", "offline"),))
        await client.obtain(token, requirement)
        await client.obtain(token, OAuthTokenRequirement("calendar", ("read",)).anew)
        await client.obtain(token, CloudRoleRequirement(ROLE, 900))
    assert recorded(recorder) == theirs
