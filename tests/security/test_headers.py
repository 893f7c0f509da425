"""Every response of every route has the security headers; CORS allows only the configured origins."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.security.test_routes import requests

pytestmark = pytest.mark.promise("verified-caller")

AGENT = json.loads(Path(__file__).with_name("routes.json").read_text())["agent"]
CHAT = "/openai/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}
PAGE = "http://localhost:9001"
KEPT = {"/.well-known/agent-card.json": "private, max-age=300"}
"""The public responses that clients may keep."""
BANNERS = ("server", "x-powered-by", "via", "x-aspnet-version", "x-runtime")


def is_guarded(response: httpx.Response) -> None:
    headers = response.headers
    where = f"{response.request.method} {response.request.url.path} {response.status_code}"
    assert headers["x-content-type-options"] == "nosniff", where
    assert headers["referrer-policy"] == "no-referrer", where
    kept = KEPT.get(response.request.url.path) if response.status_code == 200 else None
    assert headers["cache-control"] == (kept or "no-store"), where
    assert "frame-ancestors 'none'" in headers["content-security-policy"], where
    assert headers["x-frame-options"] == "DENY", where
    assert not [name for name in BANNERS if name in headers], where
    assert not re.search(r"(?i)uvicorn|starlette|fastapi|python/", str(headers)), where


async def test_every_response_of_every_route_has_the_security_headers(start_agent, sandbox) -> None:
    agent = await start_agent("Human", MAX_REQUESTS_PER_MINUTE="0")
    alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
    for headers in ({}, alice):
        for method, path in [*requests(AGENT["public"] + AGENT["protected"]), ("GET", "/nothing")]:
            for asked in dict.fromkeys((method, "OPTIONS", "PUT")):
                is_guarded(await agent.http.request(asked, agent.origin + path, headers=headers))
    for body in (HELLO, HELLO | {"stream": True}, {"messages": []}):  # whole, a stream, and a fault
        is_guarded(await agent.http.post(agent.origin + CHAT, json=body, headers=alice))
    for path in ("/agent/invoke", "/agent/stream", "/agent/batch"):
        is_guarded(await agent.http.post(agent.origin + path, json={"input": HELLO}, headers=alice))
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    is_guarded(await agent.http.options(agent.origin + CHAT, headers=preflight))


async def test_only_the_listed_origins_may_read_a_response(start_agent) -> None:
    agent = await start_agent("Human")
    foreign = [
        "null",
        "*",
        "https://localhost:9001",
        "http://localhost:9001.evil.example",
        "http://evil.example/http://localhost:9001",
        "http://a.localhost:9001",
        "http://localhost:90011",
        "http://LOCALHOST:9001",
        "http://localhost",
    ]
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in (CHAT, "/health", "/nothing"):
        for origin in foreign:
            for asked in ({}, preflight):
                method = "OPTIONS" if asked else "GET"
                answer = await agent.http.request(
                    method, agent.origin + path, headers={"Origin": origin} | asked
                )
                assert "access-control-allow-origin" not in answer.headers, (method, path, origin)
        answer = await agent.http.get(agent.origin + path, headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    [
        {"Access-Control-Request-Method": "PUT"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-user-id"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "cookie"},
    ],
)
async def test_a_page_may_send_no_other_method_and_no_other_header(start_agent, asked) -> None:
    agent = await start_agent("Human")
    answer = await agent.http.options(agent.origin + CHAT, headers={"Origin": PAGE} | asked)
    assert answer.status_code == 400
