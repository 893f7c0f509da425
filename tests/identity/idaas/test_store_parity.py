"""What the agent sends to the credential store equals what the vendor's SDKs send: JWTs, roles, OAuth tokens.

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
from identity.credentials.requirement import CloudRoleRequirement, IssuedJwtRequirement, OAuthTokenRequirement
from identity.idaas.client import IDaaSClient
from identity.secrets.secret import Secret
from sandbox.addresses import INSTANCE
from tests.recorder import Recorder

ROLE = "acs:ram::1000000000000001:role/report-reader"
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
        found[headers["x-acs-action"]] = {
            "method": request.method,
            "path": request.url.path,
            "query": sorted(request.query_params.multi_items()),
            "body": json.loads(body) if body else None,
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


async def test_store_operations_equal_those_of_the_sdks(
    sandbox: Any, endpoint: str, recorder: Recorder, variables: dict[str, str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SDK_SESSION, endpoint, INSTANCE, ROLE, SERVICE),
        env={**os.environ, "SSL_CERT_FILE": sandbox.environment["SSL_CERT_FILE"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    theirs = recorded(recorder)
    assert len(theirs) == 3

    settings = read_settings(variables)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client, token = IDaaSClient(settings.idaas, http), Secret("pam.token")
        await client.obtain(token, IssuedJwtRequirement("service_jwt", SERVICE, (("tier", "gold"),)), "sub1")
        requirement = OAuthTokenRequirement("calendar", ("read", "write"), (("access_type", "offline"),))
        await client.obtain(token, requirement)
        await client.obtain(token, CloudRoleRequirement(ROLE, 900))
    assert recorded(recorder) == theirs
