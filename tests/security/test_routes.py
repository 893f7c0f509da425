"""The register of routes, `routes.json` here and in each plug-in: what is public, protected and closed.

The real route tables are walked: a route that is in no list fails, and so does one that is listed and gone.
Then each is really asked.
"""

import asyncio
import base64
import json
import re
import secrets
from pathlib import Path

import httpx
import pytest

from agent.api.app import create_app, surfaces_of
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from tests.agent.api.langgraph.langgraph_dev import routes_of
from tests.agent.api.langgraph.langgraph_process import Server
from tests.every_surface import of_plugins, routes_of_plugins
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("verified-caller")

REGISTER = json.loads(Path(__file__).with_name("routes.json").read_text())
OF_PLUGINS = routes_of_plugins()
AGENT = {kind: [*routes, *OF_PLUGINS.get(kind, [])] for kind, routes in REGISTER["agent"].items()}
SERVER = REGISTER["langgraph_server"]
SECRETS = re.compile(r"(?i)secret|api_key|eyJ|sk-|traceback|/home/|0x[0-9a-f]{6}")


def listed(register: dict[str, list[str]]) -> list[str]:
    return sorted(route for routes in register.values() for route in routes)


def requests(routes: list[str]) -> list[tuple[str, str]]:
    """Method and a real path for each route."""
    asked = (route.split(" ") for route in routes)
    return [
        (method, re.sub(r"\{[^}]*\}", "00000000-0000-0000-0000-000000000001", path))
        for method, path in asked
        if method != "WEBSOCKET"
    ]


def bearers(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """Headers that are refused, by their fault."""
    good = sandbox.access_token()
    return {
        "nothing": {},
        "another audience": {
            "Authorization": f"Bearer {sandbox.access_token(audience='https://other.example')}"
        },
        "expired": {"Authorization": f"Bearer {sandbox.access_token(exp=int(sandbox.clock()) - 3600)}"},
        "no bearer": {"Authorization": f"Basic {good}"},
        "Studio's own scheme": {"x-auth-scheme": "langsmith", "x-api-key": "lsv2_pt_0"},
        "a cookie": {"Cookie": f"access_token={good}"},
    }


def test_every_route_of_the_agent_is_registered(sandbox: Sandbox) -> None:
    app = create_app(read_settings(sandbox.environment | dict(of_plugins("VARIABLES"))))
    assert sorted(set(routes_of(app.routes))) == listed(AGENT)


def test_every_route_of_langgraph_server_is_registered(langgraph_server: Server) -> None:
    assert sorted(set(langgraph_server.routes)) == listed(SERVER)


def test_the_public_routes_of_the_agent_are_those_that_the_middleware_exempts(sandbox: Sandbox) -> None:
    paths = {path for _, path in requests(AGENT["public"])}
    open_paths = surfaces_of(Agent(read_settings(sandbox.environment))).open_paths
    assert paths == open_paths.readable
    assert {method for method, _ in requests(AGENT["public"])} == {"GET", "HEAD"}
    assert requests(AGENT["signed"]) == [("POST", path) for path in open_paths.signed]


async def test_protected_routes_of_the_agent_are_refused_without_a_valid_token(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    for wrong, headers in bearers(sandbox).items():
        for method, path in requests(AGENT["protected"] + AGENT["for_clients"]):
            for asked in dict.fromkeys((method, "HEAD", "OPTIONS")):
                response = await agent.http.request(asked, agent.origin + path, headers=headers)
                assert response.status_code == 401, (wrong, asked, path)
                assert response.headers["www-authenticate"].startswith("Bearer ")
                if asked != "HEAD":
                    assert response.json().keys() == {"error"}
                    assert response.json()["error"]["code"] in (
                        "access_token_missing",
                        "access_token_invalid",
                    )


async def test_refused_method_is_answered_with_all_methods_of_the_path(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    methods: dict[str, set[str]] = {}
    for method, path in requests(AGENT["public"] + AGENT["protected"]):
        methods.setdefault(path, set()).add(method)
    alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
    for path, served in methods.items():
        refused = await agent.http.request("PUT", agent.origin + path, headers=alice)
        assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed"), path
        allowed = set(refused.headers["allow"].split(", "))
        assert allowed - {"HEAD"} == served - {"HEAD"}, path


async def test_public_routes_of_the_agent_need_no_token_and_contain_no_secret(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    for headers in bearers(sandbox).values():
        for method, path in requests(AGENT["public"]):
            response = await agent.http.request(method, agent.origin + path, headers=headers)
            assert response.status_code == 200, path
            assert not SECRETS.search(response.text), path


async def test_signed_routes_of_the_agent_refuse_unsigned_requests(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    good = {"Authorization": f"Bearer {sandbox.access_token()}"}
    for headers in (*bearers(sandbox).values(), good):
        for method, path in requests(AGENT["signed"]):
            response = await agent.http.request(
                method, agent.origin + path, headers=headers, json={"event": "a.b.c"}
            )
            assert response.status_code == 401, path
            assert not SECRETS.search(response.text), path
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        for _, path in requests(AGENT["signed"]):
            response = await agent.http.request(method, agent.origin + path)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "access_token_missing")


async def test_protected_and_closed_routes_of_langgraph_server_are_refused_without_a_valid_token(
    langgraph_server: Server, sandbox: Sandbox
) -> None:
    good = sandbox.access_token()
    twice = {"one in each header": {"Authorization": f"Bearer {good}", "x-api-key": good}}
    async with httpx.AsyncClient(base_url=langgraph_server.url) as client:
        for wrong, headers in (bearers(sandbox) | twice).items():
            for method, path in requests(SERVER["protected"] + SERVER["closed"]):
                response = await client.request(method, path, headers=headers)
                assert response.status_code == 401, (wrong, method, path)
                assert response.json().keys() in ({"error"}, {"detail"})
                assert not SECRETS.search(response.text)


async def test_closed_routes_of_langgraph_server_are_closed_for_verified_callers_too(
    langgraph_server: Server, sandbox: Sandbox
) -> None:
    alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
    async with httpx.AsyncClient(base_url=langgraph_server.url, headers=alice) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        more = [
            "/internal/truncate/",
            "//internal/truncate",
            "/ok/../internal/truncate",
            "/threads/../deploy",
        ]
        more += [
            "/store/items",
            "/mcp",
            "/a2a/agent",
            "/ui/agent",
            "/.well-known/agent-card.json",
            "/noauth/ok",
        ]
        for method, path in [*requests(SERVER["closed"]), *(("POST", path) for path in more)]:
            response = await client.request(method, path, json={})
            assert response.status_code == 404, (method, path)
        assert (await client.get(f"/internal/debug/thread/{thread}")).status_code == 404
        assert (await client.get(f"/threads/{thread}")).status_code == 200
        for _, path in requests([route for route in SERVER["protected"] if route.count("/") == 1]):
            if path in ("/info", "/openapi.json"):
                assert (await client.get(path)).status_code == 200


async def test_public_routes_of_langgraph_server_contain_no_internals(langgraph_server: Server) -> None:
    async with httpx.AsyncClient(base_url=langgraph_server.url) as client:
        for method, path in requests(SERVER["public"]):
            response = await client.request(method, path)
            assert response.status_code == 200
            assert not SECRETS.search(response.text)
            assert not re.search(r"\d+\.\d+", response.text)  # no version


@pytest.mark.parametrize(
    "path", [*(r.split()[1] for r in SERVER["protected"] if "WEBSOCKET" in r), "/ok", "/x"]
)
@pytest.mark.parametrize("bearer", ["", "Authorization: Bearer {other}\r\n"])
async def test_a_websocket_of_langgraph_server_is_refused_without_a_valid_token(
    langgraph_server: Server, sandbox: Sandbox, path: str, bearer: str
) -> None:
    url = httpx.URL(langgraph_server.url)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    real = path.replace("{thread_id}", "00000000-0000-0000-0000-000000000001")
    other = bearer.format(other=sandbox.access_token(audience="https://other.example"))
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"GET {real} HTTP/1.1\r\nHost: {url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{other}\r\n".encode()
    )
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status in (b"401", b"403"), status


async def test_langgraph_server_grants_foreign_origins_no_access(langgraph_server: Server) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx.AsyncClient(base_url=langgraph_server.url) as client:
        for origin, allowed in {
            "https://smith.langchain.com": True,
            "https://smith.langchain.com.evil.example": False,
            "https://evil.example": False,
            "null": False,
        }.items():
            preflight = await client.options("/threads", headers={"Origin": origin} | asked)
            assert (preflight.headers.get("access-control-allow-origin") == origin) is allowed, origin
            answer = await client.get("/ok", headers={"Origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed, origin
