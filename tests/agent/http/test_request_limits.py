"""Headers and bodies over a size are refused, with or without `Content-Length`, and so are late bodies."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from agent.http.request_limits import body_limit
from tests.agent.conftest import AgentServer

pytestmark = pytest.mark.promise("bounded")


CHAT = "/openai/v1/chat/completions"
LIMIT = 1_048_576


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 65_536


async def application(_: Scope, __: Receive, ___: Send) -> None:
    pytest.fail("the body was not whole")


async def test_large_body_is_refused_by_its_content_length_before_any_of_it_arrives() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        pytest.fail("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"%d" % (LIMIT + 1))]}
    await body_limit(application, max_bytes=LIMIT)(scope, receive, send)
    start, body = sent
    assert start["status"] == 413
    assert json.loads(body["body"])["error"]["code"] == "request_too_large"


async def test_request_without_a_token_is_refused_before_its_body_is_read(agent_server: AgentServer) -> None:
    response = await agent_server.client(None).post(CHAT, content=pieces(20))
    assert response.status_code == 401


async def test_late_body_is_refused() -> None:
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        return pieces.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": []}
    await body_limit(application, max_bytes=LIMIT, seconds=0.02)(scope, receive, send)
    start, body = sent
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "request_timeout"


@pytest.mark.parametrize("path", [CHAT, "/agent/invoke"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_large_body_is_refused_with_the_same_error_everywhere_also_while_it_streams(
    agent_server: AgentServer, path: str, streamed: bool
) -> None:
    content = pieces(20) if streamed else b" " * (LIMIT + 1)
    refused = await agent_server.client().post(path, content=content)
    assert refused.status_code == 413
    error = refused.json()["error"]
    assert error.keys() == {"message", "type", "code", "param", "request_id"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_too_large")


@pytest.mark.parametrize("declared", [True, False])
async def test_body_above_the_limit_is_read_on_within_a_bound_so_that_the_refusal_arrives(
    declared: bool,
) -> None:
    received, sent = 0, []

    async def receive() -> Message:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b" " * 100, "more_body": received < count}

    async def send(message: Message) -> None:
        sent.append(message)

    async def application(_: Scope, __: Receive, ___: Send) -> None:
        pytest.fail("the body was too large")

    for count, read in [(5, 5), (1_000, 11)]:
        received, sent = 0, []
        headers = [(b"content-length", b"%d" % (count * 100))] if declared else []
        scope = {"type": "http", "method": "POST", "headers": headers}
        await body_limit(application, max_bytes=250, discarded=800)(scope, receive, send)
        assert (sent[0]["status"], received) == (413, read)


HEADER_LIMIT = 32_768


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (CHAT, {"Authorization": "Bearer " + "a" * HEADER_LIMIT}),
        (CHAT, {f"X-{number}": "a" * 1000 for number in range(40)}),
        ("/agent/invoke", {"Cookie": "a" * HEADER_LIMIT}),
        ("/health", {"Cookie": "a" * HEADER_LIMIT}),
        ("/agent/input_schema?" + "a" * HEADER_LIMIT, {}),
        ("/" + "a" * HEADER_LIMIT, {}),
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
        refused = await http.post(
            CHAT, headers={"Origin": page, "Authorization": "Bearer " + "a" * HEADER_LIMIT}
        )
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
