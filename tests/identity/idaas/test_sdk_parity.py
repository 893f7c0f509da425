"""What the agent sends to IDaaS equals what the vendor's SDKs send, for each method of client authentication.

Both talk to one recording server. The SDKs run unchanged, in the process that also referees the sandbox.
"""

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from identity.credentials.requirement import ApiKeyRequirement
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import read_sdk_configuration
from identity.secret import Secret
from tests.recorder import Recorder

SDK_SESSION = Path(__file__).parents[2] / "sandbox" / "official_sdk_session.py"
PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
USER_TOKEN = "the.user's-access.token"
METHODS = {
    "CLIENT_SECRET_POST": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "CLIENT_SECRET_BASIC": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "CLIENT_SECRET_JWT": {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"},
    "PRIVATE_KEY_JWT": {"privateKeyEnvVarName": "ENV_PRIVATE_KEY"},
}


async def respond(request: Request) -> Response:
    """A token, or the API key of a credential: enough for each request of a client to succeed."""
    if request.method == "GET":
        identifier = request.query_params["credentialIdentifier"]
        key = {"apiKeyContent": {"apiKey": "sk-x"}}
        return JSONResponse({"credentialIdentifier": identifier, "credentialContent": key})
    members = dict(form(await request.body()))
    kind = "exchanged" if "subject_token" in members else "own"
    token = f"{kind}.{'pam' if members['scope'] == PAM else 'enterprise'}"
    expiry = {"expires_in": 3600, "expires_at": int(time.time()) + 3600}
    return JSONResponse({"token_type": "Bearer", "access_token": token, **expiry})


def form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))


def comparable(request: Request, body: bytes) -> str:
    """A request as JSON, with what differs each time replaced by its shape."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in ("authorization", "content-type") or name.startswith("x-acs-")
    }
    if "x-acs-action" in headers:
        headers["accept"] = request.headers["accept"]
        headers["date"] = re.sub(
            r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$", "<a date>", request.headers["date"]
        )
        headers["x-acs-signature-nonce"] = re.sub(
            r"^[0-9a-f]{32}$", "<a nonce>", headers["x-acs-signature-nonce"]
        )
    recorded = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "form": [
            [name, assertion_shape(value) if name == "client_assertion" else value]
            for name, value in form(body)
        ],
        "headers": headers,
    }
    return json.dumps(recorded, sort_keys=True)


def taken(recorder: Recorder) -> list[str]:
    """The distinct requests so far, in a fixed order; the recorder begins anew."""
    requests = {
        comparable(request, body) for request, body in zip(recorder.requests, recorder.bodies, strict=True)
    }
    recorder.requests.clear()
    recorder.bodies.clear()
    return sorted(requests)


def assertion_shape(assertion: str) -> dict[str, Any]:
    """Header and claims of a client assertion, with what differs each time replaced by its shape."""
    claims = jwt.decode(assertion, options={"verify_signature": False})
    header = jwt.get_unverified_header(assertion)
    lifetime = claims.pop("exp") - claims["iat"]
    recent = abs(claims.pop("iat") - time.time()) < 60
    jti = re.sub(
        r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", "<uuid4>", claims.pop("jti")
    )
    return {"header": header, "claims": claims, "lifetime": lifetime, "recent": recent, "jti": jti}


@asynccontextmanager
async def over_tls(application: Any, certificates: Path) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        log_level="critical",
        ssl_certfile=certificates / "localhost.pem",
        ssl_keyfile=certificates / "localhost-key.pem",
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        server.force_exit = True
        await server.shutdown(sockets=[listener])


def write_configurations(folder: Path, origin: str) -> dict[str, Path]:
    paths = {}
    for method, members in METHODS.items():
        content = {
            "idaasInstanceId": "idaas_example01",
            "clientId": "app_agent01",
            "issuer": f"{origin}/oauth2",
            "tokenEndpoint": f"{origin}/oauth2/token",
            "scope": PAM,
            "developerApiEndpoint": origin.removeprefix("https://"),
            "authnConfiguration": {"identityType": "CLIENT", "authnMethod": method, **members},
        }
        paths[method] = folder / f"{method}.json"
        paths[method].write_text(json.dumps(content))
    return paths


async def sdk_requests(recorder: Recorder, path: Path, environment: dict[str, str]) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SDK_SESSION),
        USER_TOKEN,
        str(path),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return taken(recorder)


async def agent_requests(
    recorder: Recorder, path: Path, environment: dict[str, str], http: httpx.AsyncClient
) -> list[str]:
    client = IDaaSClient(read_sdk_configuration(path, environment), http)
    own = await client.machine_token(PAM)
    await client.machine_token(ENTERPRISE)
    exchanged = await client.exchange(Secret(USER_TOKEN), PAM)
    await client.exchange(Secret(USER_TOKEN), ENTERPRISE)
    await client.obtain_api_key(own.token, ApiKeyRequirement("llm_api_key"))
    await client.obtain_api_key(exchanged.token, ApiKeyRequirement("amap_api_key"))
    return taken(recorder)


@pytest.mark.parametrize("method", METHODS)
async def test_requests_equal_those_of_the_sdks(sandbox: Any, tmp_path: Path, method: str) -> None:
    recorder = Recorder(respond)
    environment = dict(sandbox.environment)
    certificates = Path(environment["SSL_CERT_FILE"]).parent
    async with (
        over_tls(recorder, certificates) as origin,
        httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http,
    ):
        path = write_configurations(tmp_path, origin)[method]
        theirs = await sdk_requests(recorder, path, environment)
        ours = await agent_requests(recorder, path, environment, http)
    assert len(theirs) == 6
    assert [json.loads(request) for request in ours] == [json.loads(request) for request in theirs]
