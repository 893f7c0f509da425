"""Trailers are bounded like headers and never become headers; pipelined requests are bounded too."""

import asyncio
import contextlib
import json

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.http.connection_limits import ConnectionLimits
from tests.agent.conftest import AgentServer
from tests.agent.http.test_connection_limits import connection
from tests.responsive import responsive

pytestmark = pytest.mark.promise("bounded")

HEAD = b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: agent\r\nTransfer-Encoding: chunked\r\n"
LAST = b"2\r\n{}\r\n0\r\n"
MIB = 1_048_576


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and returns the names of the headers."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    names = json.dumps([name.decode() for name, _ in scope["headers"]]).encode()
    length = (b"content-length", b"%d" % len(names))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": names})


async def refuse(_: Scope, __: Receive, send: Send) -> None:
    """Refuses without reading."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def sent_until_cut(writer: asyncio.StreamWriter, piece: bytes, most: int) -> int:
    """How many bytes the server read before it closed the connection; `most` if it did not."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < most:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    return sent


async def test_trailer_never_becomes_a_header() -> None:
    async with connection(echo) as (reader, writer, _):
        for _ in range(2):
            writer.write(HEAD + b"\r\n" + LAST + b"Authorization: Bearer a\r\nExpect: 100-continue\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
            await reader.readuntil(b"\r\n\r\n")
            assert json.loads(await reader.readuntil(b"]")) == ["host", "transfer-encoding"]


async def test_access_token_in_a_trailer_is_not_presented(agent_server: AgentServer) -> None:
    host, _, port = agent_server.url.removeprefix("http://").partition(":")
    token = agent_server.headers()["Authorization"].encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD + b"\r\n" + LAST + b"Authorization: " + token + b"\r\n\r\n")
    head, _, body = (await reader.readuntil(b"}}")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert json.loads(body)["error"]["code"] == "access_token_missing"
    writer.close()


@pytest.mark.parametrize(
    "rest",
    [
        LAST + b"X: a\r\n" * 20_000,
        LAST + b"X: a\r\n" * 20_000 + b"\r\n",
        LAST + b"X: " + b"a" * 200_000,
        b"2;" + b"a" * 200_000,
    ],
    ids=["fields without end", "fields", "one value", "a chunk's extension"],
)
async def test_too_many_bytes_of_trailers_are_refused(rest: bytes) -> None:
    async with connection(echo) as (reader, writer, _), responsive():
        writer.write(HEAD + b"\r\n" + rest)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert json.loads(body)["error"]["code"] == "headers_too_large"


@pytest.mark.parametrize("app", [echo, refuse])
async def test_endless_trailers_are_cut_off(app: ASGIApp) -> None:
    async with connection(app, ConnectionLimits(linger_bytes=MIB)) as (_, writer, server), responsive():
        writer.write(HEAD + b"\r\n" + LAST)
        sent = await sent_until_cut(writer, b"X: " + b"a" * 60_000 + b"\r\n", 300 * MIB)
        assert sent < 30 * MIB  # what the sockets of both sides hold, and the bound
        assert not server.server_state.connections


async def test_lingering_connection_parses_nothing() -> None:
    async with connection(refuse) as (reader, writer, server):
        writer.write(HEAD + b"\r\n2\r\n{}\r\n")
        await reader.read()  # the response, and that nothing follows
        (protocol,) = server.server_state.connections
        protocol.parser = None
        for _ in range(300):
            protocol.data_received(b"0\r\nX: " + b"a" * 100_000 + b"\r\n")
        assert protocol._linger._discarded == 300 * 100_008


async def test_pipelined_requests_are_bounded() -> None:
    started = asyncio.Event()

    async def slow(_: Scope, receive: Receive, __: Send) -> None:
        started.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with connection(slow) as (reader, writer, server), responsive():
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 20_000)
        await started.wait()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert not server.server_state.connections


async def test_disconnect_with_a_pipelined_request_is_noticed() -> None:
    started, left = asyncio.Event(), asyncio.Event()

    async def slow(_: Scope, receive: Receive, __: Send) -> None:
        started.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with connection(slow) as (_, writer, __):
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 2)
        await started.wait()
        writer.close()
        await left.wait()
