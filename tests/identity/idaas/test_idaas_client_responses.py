"""The IDaaS client against servers with invalid responses."""

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AgentError, CredentialError, UnreachableError
from identity.idaas.client import IDaaSClient
from identity.idaas.client_authentication.own_credential import ClientSecretPost
from identity.idaas.configuration import SdkConfiguration
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret
from identity.transport.retry import RetryPolicy
from tests.identity.idaas.sandbox_client import LLM_KEY, PAM, refusal

CANARY = "upstream-canary-text"
GOOD = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 1200}
KEY = {"credentialContent": {"apiKeyContent": {"apiKey": "sk-x"}}}


@pytest.fixture
def client_of(clock: Any, retries: RetryPolicy) -> Callable[..., IDaaSClient]:
    """Creates a client whose IDaaS sends this response."""

    def make(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> IDaaSClient:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def respond(request: Request) -> Response:
            return Response(content, status_code=status, headers=headers)

        application = Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])
        origin = "https://idaas.example"
        authentication = ClientSecretPost("app", FixedSecret(Secret("secret")))
        configuration = SdkConfiguration(
            "idaas", "app", f"{origin}/iss", f"{origin}/token", origin, PAM, authentication, 5.0, 10.0
        )
        http = httpx.AsyncClient(transport=httpx.ASGITransport(application))
        return IDaaSClient(configuration, http, clock=clock, retries=retries)

    return make


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>" + CANARY.encode(),
        [],
        {},
        {**GOOD, "access_token": None},
        {**GOOD, "access_token": f"two words {CANARY}"},
        {**GOOD, "access_token": "a\r\nb"},
        {**GOOD, "access_token": "x" * 20_000},
        {**GOOD, "token_type": "mac"},
        {**GOOD, "token_type": None},
        {**GOOD, "expires_in": None},
        {**GOOD, "expires_in": "1200"},
        {**GOOD, "expires_in": True},
        {**GOOD, "expires_in": 0},
        {**GOOD, "expires_in": -5},
        {**GOOD, "expires_at": 1},
        {**GOOD, "issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        b'{"access_token":"a","access_token":"b","token_type":"Bearer","expires_in":9}',
        b" " * 70_000,
    ],
)
async def test_invalid_token_response_is_unusable(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.machine_token(PAM), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize(
    ("members", "lifetime"),
    [
        ({"expires_in": 600}, 600),
        ({"expires_in": 600, "expires_at": 1795526961 + 300}, 300),
        ({"expires_in": 600, "expires_at": 1795526961 + 900}, 600),
        ({"expires_in": None, "expires_at": 1795526961 + 900}, 900),
        ({"expires_in": 600.5, "token_type": "bearer", "scope": "anything"}, 600.5),
    ],
)
async def test_earlier_of_two_expiry_times_is_used(
    client_of: Any, clock: Any, members: dict[str, Any], lifetime: float
) -> None:
    client = client_of({**GOOD, **members})
    assert (await client.machine_token(PAM)).expires_at == clock.now + lifetime


@pytest.mark.promise("never-expired")
async def test_jwt_ends_with_its_own_exp_if_that_is_earlier(client_of: Any, clock: Any) -> None:
    def client(exp: Any) -> IDaaSClient:
        token = jwt.api_jws.encode(json.dumps({"sub": "app", "exp": exp}).encode(), "k" * 32)
        return client_of({**GOOD, "access_token": token, "expires_in": 600})

    now = clock.now
    for exp, end in ((now + 60, now + 60), (now + 900, now + 600), ("1", now + 600), (math.nan, now + 600)):
        assert (await client(exp).machine_token(PAM)).expires_at == end
    for exp in (now, -(10**400)):
        await refusal(client(exp).machine_token(PAM), UnreachableError)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", CredentialError),
        (400, {"error": "invalid_client"}, CredentialError),
        (400, {"error": "invalid_scope", "error_description": CANARY, "request_id": "r-1"}, CredentialError),
        (403, {"Code": "Forbidden.NoPermission", "Message": CANARY, "RequestId": "r-1"}, CredentialError),
        (400, {"error": CANARY}, UnreachableError),
        (400, {"error": ["invalid_scope"]}, UnreachableError),
        (404, b"<html>" + CANARY.encode(), UnreachableError),
        (302, b"", UnreachableError),
        (204, b"", UnreachableError),
        (418, b"{}", UnreachableError),
        (505, b"", UnreachableError),
    ],
)
async def test_error_response_is_a_refusal_only_with_an_error_code(
    client_of: Any, status: int, body: Any, kind: type[AgentError]
) -> None:
    client = client_of(body, status, {"location": "https://evil.example/"} if status == 302 else None)
    error = await refusal(client.machine_token(PAM), AgentError)
    assert isinstance(error, kind)
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"credentialContent": None},
        {"credentialContent": {"apiKeyContent": None}},
        {"credentialContent": {"apiKeyContent": {"apiKey": ""}}},
        {"credentialContent": {"apiKeyContent": {"apiKey": f"{CANARY}\r\nX: y"}}},
        {"credentialContent": {"apiKeyContent": {"apiKey": 7}}},
        {"credentialContent": {"oauthClientContent": {"clientId": "a", "clientSecret": CANARY}}},
        {**KEY, "credentialIdentifier": "another"},
        {**KEY, "credentialType": "oauth_client"},
        {**KEY, "status": "disabled"},
    ],
)
async def test_invalid_key_response_is_a_refusal(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.obtain(Secret("token"), LLM_KEY))
    assert error.code is GraphCode.LLM_API_KEY_UNAVAILABLE
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize("body", [b"", b"{", [], b"<html>"])
async def test_malformed_response_is_not_a_refusal_of_the_key(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.obtain(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
