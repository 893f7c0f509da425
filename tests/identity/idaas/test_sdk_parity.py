"""What the agent sends to IDaaS equals what the vendor's SDKs send, for each method of client authentication.

Both talk to one recording server, and to a recording metadata service. The SDKs and their plugin run
unchanged, in the process that also referees the sandbox. The plugin exchanges no tokens: the referee of that
is the vendor's OpenAPI client.
"""

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from agent.settings.settings import read_settings
from identity.credentials.requirement import ApiKeyRequirement
from identity.idaas.client import IDaaSClient
from identity.secrets.secret import Secret
from sandbox.authn_method import AuthnMethod
from tests.recorder import Recorder

SDK_SESSION = Path(__file__).parents[2] / "sandbox" / "official_sdk_session.py"
PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"


def token_of_alice(**claims: str) -> str:
    return jwt.encode({"sub": "user_alice01", **claims}, "k" * 32, algorithm="HS256")


USER_TOKEN = token_of_alice()


async def respond(request: Request) -> Response:
    """A token, or the API key of a credential: enough for each request of a client to succeed."""
    if request.url.path.startswith("/latest/"):
        return PlainTextResponse("metadata-token" if request.method == "PUT" else "MIIexample")
    if request.method == "GET":
        identifier = request.query_params["credentialIdentifier"]
        key = {"apiKeyContent": {"apiKey": "sk-x"}}
        return JSONResponse({"credentialIdentifier": identifier, "credentialContent": key})
    if "x-acs-action" in request.headers:
        kind = "exchanged" if "SubjectToken" in request.query_params or await request.body() else "own"
        token = {"TokenType": "Bearer", "AccessToken": token_of_alice(kind=kind), "ExpiresIn": 3600}
        return JSONResponse({"TokenResponse": token | {"ExpiresAt": int(time.time()) + 3600}})
    members = dict(form(await request.body()))
    kind = "exchanged" if "subject_token" in members else "own"
    token = token_of_alice(kind=kind, scope=members["scope"])
    expiry = {"expires_in": 3600, "expires_at": int(time.time()) + 3600}
    return JSONResponse({"token_type": "Bearer", "access_token": token, **expiry})


def form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))


def comparable(request: Request, body: bytes) -> str:
    """A request as JSON, with what differs each time replaced by its shape."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in ("authorization", "content-type") or name.startswith(("x-acs-", "x-aliyun-"))
    }
    if "x-acs-action" in headers:
        headers["accept"] = request.headers["accept"]
        for name in {"date", "x-acs-date"} & set(request.headers):
            headers[name] = DATE.sub("<a date>", request.headers[name])
        headers["authorization"] = SIGNATURE.sub("Signature=<hex>", headers["authorization"])
        headers["x-acs-signature-nonce"] = re.sub(
            r"^[0-9a-f]{32}$", "<a nonce>", headers["x-acs-signature-nonce"]
        )
    recorded = {
        "method": request.method,
        "path": request.url.path,
        "query": SIGNING_TIME.sub("<a time>", request.url.query),
        "form": [
            [name, assertion_shape(value) if name == "client_assertion" and value.count(".") == 2 else value]
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


DATE = re.compile(r"^(\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT|\d{4}-\d\d-\d\dT[\d:]{8}Z)$")
SIGNATURE = re.compile(r"Signature=[0-9a-f]{64}$")
SIGNING_TIME = re.compile(r"(?<=signingTime%22%3A%20)\d{10}(?=%7D)")


def assertion_shape(assertion: str) -> dict[str, Any]:
    """Header and claims of a client assertion, with what differs each time replaced by its shape."""
    claims = jwt.decode(assertion, options={"verify_signature": False})
    if claims["iss"] != "app_agent01":  # another issuer's token: the same for both
        return {"token": assertion}
    header = jwt.get_unverified_header(assertion)
    lifetime = claims.pop("exp") - claims["iat"]
    recent = abs(claims.pop("iat") - time.time()) < 60
    jti = re.sub(
        r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", "<uuid4>", claims.pop("jti")
    )
    return {"header": header, "claims": claims, "lifetime": lifetime, "recent": recent, "jti": jti}


def variables_for(
    method: AuthnMethod, sandbox: Any, folder: Path, origin: str, metadata: str
) -> dict[str, str]:
    """The variables of the sandbox's agent, with the addresses of the recorders in its configuration."""
    variables: dict[str, str] = sandbox.running.environment_by(method, folder)
    path = Path(variables["CLOUD_IDAAS_CONFIG_PATH"])
    content = json.loads(path.read_text()) | {
        "issuer": f"{origin}/oauth2",
        "tokenEndpoint": f"{origin}/oauth2/token",
        "developerApiEndpoint": origin.removeprefix("https://"),
    }
    if "openApiEndpoint" in content:
        content["openApiEndpoint"] = origin.removeprefix("https://")
    path.write_text(json.dumps(content))
    moved = {"ECS_METADATA_ENDPOINT": metadata} if "ECS_METADATA_ENDPOINT" in variables else {}
    return variables | moved


async def run_sdks(agents: list[tuple[Path, dict[str, str]]]) -> None:
    """Runs the SDKs once for each agent, in one process that forks: their import takes a second."""
    for path, environment in agents:
        path.write_text(json.dumps(environment))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SDK_SESSION),
        USER_TOKEN,
        *(str(path) for path, _ in agents),
        env={**os.environ, "SSL_CERT_FILE": agents[0][1]["SSL_CERT_FILE"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, errors.decode()


async def run_agent(environment: dict[str, str], http: httpx.AsyncClient) -> None:
    # the vendor's client has the user's token in the query
    client = IDaaSClient(read_settings(environment | {"OPENAPI_SUBJECT_TOKEN_IN": "query"}).idaas, http)
    own = await client.token(PAM)
    await client.token(ENTERPRISE)
    exchanged = await client.token(PAM, Secret(USER_TOKEN))
    await client.token(ENTERPRISE, Secret(USER_TOKEN))
    await client.obtain(own.secret, ApiKeyRequirement("llm_api_key"))
    await client.obtain(exchanged.secret, ApiKeyRequirement("amap_api_key"))


async def test_requests_equal_those_of_the_sdks(sandbox: Any, serve: Any, tmp_path: Path) -> None:
    recorders = {method: Recorder(respond) for method in AuthnMethod}
    metadata = Recorder(respond)
    metadata_origin = await serve(metadata)
    certificates = Path(sandbox.environment["SSL_CERT_FILE"]).parent
    tls = {"ssl_certfile": certificates / "localhost.pem", "ssl_keyfile": certificates / "localhost-key.pem"}
    agents = {}
    for method, recorder in recorders.items():
        origin = (await serve(recorder, **tls)).replace("127.0.0.1", "localhost")
        folder = tmp_path / method
        variables = variables_for(method, sandbox, folder, origin, metadata_origin)
        agents[method] = (folder / "variables.json", variables)
    await run_sdks(list(agents.values()))
    theirs = {method: taken(recorder) for method, recorder in recorders.items()}
    machines = taken(metadata)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        for _, variables in agents.values():
            await run_agent(variables, http)
    for method, recorder in recorders.items():
        assert len(theirs[method]) == 6, method
        ours = [json.loads(request) for request in taken(recorder)]
        assert ours == [json.loads(request) for request in theirs[method]], method
    assert len(machines) == 2
    assert taken(metadata) == machines
