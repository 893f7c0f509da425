"""The size of the request line and headers is limited before authentication."""

import asyncio
import json

import pytest

from tests.agent.conftest import AgentServer

pytestmark = pytest.mark.promise("bounded")

CHAT = "/openai/v1/chat/completions"
LIMIT = 32_768


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (CHAT, {"Authorization": "Bearer " + "a" * LIMIT}),
        (CHAT, {f"X-{number}": "a" * 1000 for number in range(40)}),
        ("/agent/invoke", {"Cookie": "a" * LIMIT}),
        ("/health", {"Cookie": "a" * LIMIT}),
        ("/agent/playground/?" + "a" * LIMIT, {}),
        ("/" + "a" * LIMIT, {}),
    ],
)
async def test_large_headers_are_refused_before_authentication(
    agent_server: AgentServer, path: str, headers: dict[str, str]
) -> None:
    async with agent_server.client(None) as http:
        refused = await http.post(path, headers=headers)
    assert refused.status_code == 431
    assert refused.json()["error"]["code"] == "headers_too_large"
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert refused.headers["Connection"] == "close"


async def test_headers_within_the_limit_reach_authentication(agent_server: AgentServer) -> None:
    async with agent_server.client(None) as http:
        refused = await http.post(CHAT, headers={"Authorization": "Bearer " + "a" * 30_000})
        assert refused.status_code == 401
        assert (await http.get("/health", headers={"Cookie": "a" * 30_000})).status_code == 200


async def test_431_has_cors_headers(agent_server: AgentServer) -> None:
    page = "http://localhost:9001"
    async with agent_server.client(None) as http:
        refused = await http.post(CHAT, headers={"Origin": page, "Authorization": "Bearer " + "a" * LIMIT})
    assert refused.headers["Access-Control-Allow-Origin"] == page


@pytest.mark.parametrize("piece", [b"X-More: a\r\n", b"a"], ids=["fields", "one value"])
async def test_endless_headers_are_refused_before_they_are_complete(
    agent_server: AgentServer, piece: bytes
) -> None:
    host, _, port = agent_server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: agent\r\nX-Endless: a")
    writer.write((b"\r\n" if len(piece) > 1 else b"") + piece * (70_000 // len(piece)))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert json.loads(body)["error"]["code"] == "headers_too_large"
    writer.close()
