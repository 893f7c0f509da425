"""Authentication of requests, and the challenges of refused ones."""

import httpx
import pytest

from agent.api.app import surfaces_of
from idaas_agent.library.bearer import bearer_token
from identity.errors import AccessTokenError
from tests.agent.conftest import AgentServer

pytestmark = pytest.mark.promise("verified-caller")

CHAT = "/openai/v1/chat/completions"


async def test_every_route_except_the_public_ones_is_protected(agent_server: AgentServer) -> None:
    paths = (await agent_server.client().get("/openapi.json")).json()["paths"]
    assert len(paths) > 5
    public_paths = surfaces_of(agent_server.agent).open_paths.readable
    others = ["/agent/invoke", "/agent/stream", "/agent/batch", "/agent/stream_log", "/agent/stream_events"]
    others += ["/agent/playground/", "/agent/playground/assets/index.js"]
    others += [
        "/openapi.json",
        "/docs",
        "/redoc",
        "/nothing",
        "/",
        "//health",
        "/health/",
        "/HEALTH",
        "/ready/x",
    ]
    async with agent_server.client(None) as client:
        for path in [*paths, *others]:
            for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND"):
                response = await client.request(method, path)
                public = path in public_paths and method in ("GET", "HEAD")
                assert response.status_code == (200 if public else 401), (method, path)


async def test_challenge_without_a_token_has_no_error_code(agent_server: AgentServer) -> None:
    response = await agent_server.client(None).post(CHAT, json={})
    challenge = response.headers["www-authenticate"]
    assert response.json()["error"]["code"] == "access_token_missing"
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    metadata = challenge.partition('resource_metadata="')[2].partition('"')[0]
    assert (await agent_server.client(None).get(metadata)).json()[
        "resource"
    ] == "https://agent.sandbox.example"


@pytest.mark.parametrize(
    ("audience", "permissions", "status", "code", "error"),
    [
        ("https://other.example", ("agent.access",), 401, "access_token_invalid", "invalid_token"),
        ("https://agent.sandbox.example", ("agent.other",), 403, "insufficient_scope", "insufficient_scope"),
    ],
)
async def test_challenge_contains_the_reason_of_the_refusal(
    agent_server: AgentServer, audience: str, permissions: tuple[str, ...], status: int, code: str, error: str
) -> None:
    token = agent_server.sandbox.access_token("alice", audience=audience, permissions=permissions)
    response = await agent_server.client(None).post(
        CHAT, json={}, headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == status
    body = response.json()["error"]
    assert body["code"] == code
    assert body["request_id"] == response.headers["x-request-id"]
    assert f'error="{error}"' in response.headers["www-authenticate"]
    described = response.headers["www-authenticate"].partition('error_description="')[2].partition('"')[0]
    assert described.startswith("The access token ")
    assert "example" not in described
    assert token not in response.text


async def test_token_is_refused_after_it_expires(agent_server: AgentServer) -> None:
    async with agent_server.client() as client:
        assert (await client.get("/openai/v1/models")).status_code == 200
        agent_server.sandbox.clock.advance(1200 + 31)
        response = await client.get("/openai/v1/models")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "access_token_invalid"


async def test_malformed_and_repeated_authorization_headers_are_refused(agent_server: AgentServer) -> None:
    token = agent_server.sandbox.access_token("alice")
    async with agent_server.client(None) as http:
        for headers in (
            [("Authorization", "Basic YTpi")],
            [("Authorization", "Bearer")],
            [("Authorization", token)],
            [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")],
            [("Authorization", f"Bearer {token}, Bearer {token}")],
            [("Authorization", f"Bearer {token} {token}")],
            [("X-Forwarded-User", "alice"), ("X-AgentRun-Session-ID", "alice")],
        ):
            response = await http.get("/openai/v1/models", headers=httpx.Headers(headers))
            assert response.status_code == 401, headers


@pytest.mark.parametrize("space", [b"\xa0", b"\x85", b"\x1f", b"\x0b", b"\x0c"], ids=repr)
@pytest.mark.parametrize("form", [b"Bearer %b{}", b"Bearer {}%b", b"%bBearer {}", b"Bearer%b{}"])
def test_only_the_white_space_of_the_header_grammar_is_trimmed(form: bytes, space: bytes) -> None:
    value = (form % space).decode("latin-1").format("abc.def.ghi")
    try:
        token = bearer_token([value]).reveal()
    except AccessTokenError:
        return
    assert token != "abc.def.ghi"


@pytest.mark.parametrize("value", ["Bearer abc", " Bearer abc", "\tbearer  abc \t"])
def test_white_space_of_the_header_grammar_is_trimmed(value: str) -> None:
    assert bearer_token([value]).reveal() == "abc"


@pytest.mark.parametrize("behind", [b"\xa0", b"\x85"], ids=repr)
async def test_token_followed_by_another_space_character_is_refused(
    agent_server: AgentServer, behind: bytes
) -> None:
    value = agent_server.headers()["Authorization"].encode() + behind
    response = await agent_server.client(None).get("/openai/v1/models", headers={b"Authorization": value})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "access_token_invalid")


async def test_token_in_query_or_form_is_ignored(agent_server: AgentServer) -> None:
    token = agent_server.sandbox.access_token("alice")
    async with agent_server.client(None) as client:
        assert (await client.get("/openai/v1/models", params={"access_token": token})).status_code == 401
        assert (await client.post(CHAT, data={"access_token": token})).status_code == 401


async def test_unavailable_signing_keys_are_a_503(agent_server: AgentServer) -> None:
    from sandbox.faults.faults import Fault

    sandbox = agent_server.sandbox
    sandbox.clock.advance(2 * 86_400)
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500))
    async with agent_server.client() as client:
        response = await client.get("/openai/v1/models")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "jwks_unavailable"
        assert "www-authenticate" not in response.headers
        sandbox.cloud.faults.clear()
        sandbox.clock.advance(60)
        assert (await client.get("/openai/v1/models")).status_code == 200


async def test_page_of_a_listed_origin_may_call_and_read_refusals(agent_server: AgentServer) -> None:
    origin = {"Origin": "http://localhost:9001"}
    requested = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, content-type, last-event-id, x-thread-id",
    }
    async with agent_server.client(None) as client:
        preflight = await client.options(CHAT, headers=origin | requested)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
        refused = await client.post(CHAT, json={}, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == origin["Origin"]
        foreign = await client.options(
            CHAT, headers={"Origin": "http://localhost:9001.evil.example"} | requested
        )
        assert foreign.status_code == 400
        assert "access-control-allow-origin" not in foreign.headers
