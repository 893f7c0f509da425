"""The route guard and the auth handler of LangGraph Server, around an application that returns the caller."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langgraph_sdk import Auth
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from agent.api.langgraph.authorization import authenticate
from agent.api.langgraph.route_guard import CrossOrigin, RouteGuard
from agent.api.langgraph.server_agent import agent_of_this_loop
from identity.access_token.revocation import Origin, Revocation, Target
from sandbox.faults.faults import Fault
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("verified-caller")


async def caller_application(scope: Scope, receive: Receive, send: Send) -> None:
    user = await authenticate(scope)
    headers = [name.decode() for name, _ in scope["headers"]]
    await JSONResponse({"identity": user["identity"], "headers": headers})(scope, receive, send)


@pytest.fixture
async def http(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in sandbox.environment.items():
        monkeypatch.setitem(os.environ, name, value)
    transport = httpx.ASGITransport(CrossOrigin(RouteGuard(caller_application)))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client
    await (await agent_of_this_loop()).aclose()


def bearer(*tokens: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}") for token in tokens]


async def test_verified_caller_is_passed_to_the_server(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    response = await http.post("/threads", headers=bearer(sandbox.access_token("alice")))
    assert response.json()["identity"] == "user_alice01"


@pytest.mark.promise("revoked-refused")
async def test_request_whose_body_arrives_after_the_revocation_is_refused(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    token = sandbox.access_token("alice", lifetime=77)

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        name, now = hashlib.sha256(token.encode()).hexdigest(), time.time()
        revocation = Revocation(Target.TOKEN, name, Origin.OPERATOR, now, now)
        await (await agent_of_this_loop()).revocation.put([revocation])
        yield b"}"

    refused = await http.post("/threads", headers=bearer(token), content=body())
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "access_revoked")
    assert refused.headers["www-authenticate"] == "Bearer"


async def test_access_token_in_x_api_key_is_accepted(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    headers = {"X-Api-Key": sandbox.access_token("alice"), "X-Auth-Scheme": "langsmith-api-key"}
    response = await http.get("/info", headers=headers)
    assert (response.status_code, response.json()["identity"]) == (200, "user_alice01")


async def test_tokens_in_both_headers_are_refused(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    token = sandbox.access_token("alice")
    for key in (token, "", "other"):
        response = await http.get("/info", headers={"X-Api-Key": key, "Authorization": f"Bearer {token}"})
        assert (response.status_code, response.json()["error"]["code"]) == (401, "access_token_invalid")


async def test_token_and_tracing_headers_do_not_reach_the_server(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sent = {"langsmith-trace": "x", "Baggage": "langsmith-project=other", "X-Tenant-Id": "x", "X-Other": "x"}
    for headers in (
        {"X-Api-Key": sandbox.access_token("alice")},
        {"Authorization": f"Bearer {sandbox.access_token('alice')}"},
    ):
        arrived = (await http.get("/threads/x", headers=sent | headers)).json()["headers"]
        assert "x-other" in arrived
        assert not {"authorization", "x-api-key", "langsmith-trace", "baggage", "x-tenant-id"} & set(arrived)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://chat.example", True),
        ("https://smith.langchain.com", True),
        ("http://localhost:9001", False),
        ("https://chat.example.evil.example", False),
        ("null", False),
    ],
)
async def test_pages_of_listed_origins_can_read_every_response(
    http: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, origin: str, allowed: bool
) -> None:
    monkeypatch.setitem(os.environ, "CORS_ALLOWED_ORIGINS", "https://chat.example")
    asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-api-key"}
    good = {"X-Api-Key": sandbox.access_token("alice")}
    narrow = {"X-Api-Key": sandbox.access_token(permissions=("other.access",))}
    requests: list[tuple[str, str, dict[str, str], int]] = [
        ("OPTIONS", "/threads/x", asked, 200 if allowed else 400),
        ("GET", "/threads/x", good, 200),
        ("GET", "/threads/x", {}, 401),
        ("GET", "/threads/x", narrow, 403),
        ("GET", "/metrics", good, 404),
    ]
    for method, path, headers, status in requests:
        response = await http.request(method, path, headers=headers | {"Origin": origin})
        assert response.status_code == status, (method, path)
        granted: Any = response.headers.get("Access-Control-Allow-Origin")
        assert granted == (origin if allowed else None), (method, path)
        assert "Access-Control-Allow-Credentials" not in response.headers
        if method == "GET":
            exposed = response.headers["Access-Control-Expose-Headers"].lower().split(", ")
            assert {"content-location", "location", "retry-after", "www-authenticate"} <= set(exposed)


async def test_refusals_have_a_challenge(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    good = sandbox.access_token()
    for headers in ([], bearer("x"), bearer("x", good), bearer(good, good)):
        response = await http.post("/threads", headers=headers)
        assert response.status_code == 401, headers
        assert response.headers["WWW-Authenticate"].startswith("Bearer"), headers
        assert response.headers["X-Frame-Options"] == "DENY", headers
    narrow = sandbox.access_token(permissions=("other.access",))
    assert (await http.post("/threads", headers=bearer(narrow))).status_code == 403


async def test_outage_of_idaas_is_a_503(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=503))
    response = await http.post("/threads", headers=bearer(sandbox.access_token()))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "jwks_unavailable")
    assert response.headers["Retry-After"]


@pytest.mark.promise("bounded")
async def test_body_above_the_limit_is_refused(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    for path in ("/threads", "/threads/x/commands", "/runs/stream"):
        response = await http.post(path, headers=bearer(sandbox.access_token()), content=b" " * 1_100_000)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


async def test_auth_handler_refuses_every_request_without_the_route_guard(sandbox: Sandbox) -> None:
    header = (b"authorization", f"Bearer {sandbox.access_token('bob')}".encode())
    claimed = {"type": "http", "headers": "x", "identity": "user_alice01"}
    for scope in ({"headers": [header]}, {"authorization": "Bearer x"}, claimed, {}):
        with pytest.raises(Auth.exceptions.HTTPException) as refused:
            await authenticate(scope)
        assert refused.value.status_code == 401
