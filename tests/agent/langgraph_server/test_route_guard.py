"""The route guard and the auth handler of LangGraph Server, around an application that returns the caller."""

import os
from collections.abc import AsyncIterator

import httpx
import pytest
from langgraph_sdk import Auth
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from agent.langgraph_server.entry import authenticate
from agent.langgraph_server.route_guard import RouteGuard
from agent.langgraph_server.token_references import agent_of_this_loop
from sandbox.faults import Fault
from tests.conftest import Sandbox

pytestmark = pytest.mark.promise("verified-caller")


async def caller_application(scope: Scope, receive: Receive, send: Send) -> None:
    user = await authenticate(scope)
    await JSONResponse({"identity": user["identity"]})(scope, receive, send)


@pytest.fixture
async def http(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in sandbox.environment.items():
        monkeypatch.setitem(os.environ, name, value)
    transport = httpx.ASGITransport(RouteGuard(caller_application))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client
    await (await agent_of_this_loop()).aclose()


def bearer(*tokens: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}") for token in tokens]


async def test_verified_caller_is_passed_to_the_server(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    response = await http.post("/threads", headers=bearer(sandbox.access_token("alice")))
    assert response.json() == {"identity": "user_alice01"}


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


async def test_auth_handler_verifies_the_token_without_the_route_guard(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    header = (b"authorization", f"Bearer {sandbox.access_token('bob')}".encode())
    assert (await authenticate({"headers": [header]}))["identity"] == "user_bob01"
    for headers in ([], [header, header]):
        with pytest.raises(Auth.exceptions.HTTPException) as refused:
            await authenticate({"headers": headers})
        assert refused.value.status_code == 401
