"""A refusal before the end of the request's body reaches the client that still sends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response
from agent.http.connection_limits import ConnectionLimits, LingerLimits
from agent.http.request_limits import body_limit
from agent.http.web_server import WebServer, listen, web_server
from tests.agent.http.uploading_clients import CLIENTS

pytestmark = pytest.mark.promise("bounded")

SIZES = (1_100_000, 5_000_000, 20_000_000)
STATUSES = (401, 403, 408, 429, 431, 503)
DEFAULT, DEFAULT_LIMITS = LingerLimits(), ConnectionLimits()
TRICKLE = b"POST /413 HTTP/1.1\r\nHost: agent\r\nContent-Length: 2000000\r\n\r\n"


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses with the status in the path, without reading; 413 as the agent does."""
    status = int(scope["path"].split("/")[1])
    if status == 413:
        await body_limit(refuse, max_bytes=1_048_576)(scope, receive, send)
        return
    refusal = RequestError(None, "refused", code="refused", status=status)
    await error_response(refusal)(scope, receive, send)


@contextlib.asynccontextmanager
async def refusing(
    linger: LingerLimits = DEFAULT, limits: ConnectionLimits = DEFAULT_LIMITS
) -> AsyncIterator[tuple[str, int, WebServer]]:
    listener = listen("127.0.0.1", 0, "the test", "nothing")
    server = web_server(refuse, lifespan=False, linger=linger, limits=limits)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()
    try:
        async with asyncio.timeout(60):
            yield host, port, server
    finally:
        server.stop_at_once()
        await serving


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All received bytes until the connection ended."""
    came = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            came += piece
    return bytes(came)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("name", CLIENTS)
async def test_refusal_reaches_a_client_that_still_uploads(name: str, chunked: bool) -> None:
    async with refusing() as (host, port, _):
        for size in SIZES:
            url = f"http://{host}:{port}/413"
            outcomes = [await CLIENTS[name](url, size, chunked=chunked) for _ in range(3)]
            assert outcomes == [413] * 3, size


@pytest.mark.parametrize("status", STATUSES)
async def test_every_early_refusal_reaches_each_client(status: int) -> None:
    async with refusing() as (host, port, _):
        url = f"http://{host}:{port}/{status}"
        for name in ("openai", "httpx", "http.client"):
            outcomes = [await CLIENTS[name](url, SIZES[1], chunked=way) for way in (False, True)]
            assert outcomes == [status] * 2, name


async def test_early_refusal_announces_that_the_connection_closes() -> None:
    async with refusing() as (host, port, _):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /401 HTTP/1.1\r\nHost: agent\r\nContent-Length: 10\r\n\r\n")
        response = (await reader.read()).lower()  # ends, though the client keeps its side open
        assert response.startswith(b"http/1.1 401 ")
        assert b"connection: close\r\n" in response
        writer.close()


async def test_refusal_of_a_complete_request_keeps_the_connection() -> None:
    async with refusing() as (host, port, _):
        reader, writer = await asyncio.open_connection(host, port)
        for _ in range(2):
            writer.write(b"POST /401 HTTP/1.1\r\nHost: agent\r\nContent-Length: 2\r\n\r\n{}")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b"connection: close" not in head
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        writer.close()


async def test_refusal_before_100_continue_comes_alone_and_ends_the_connection() -> None:
    async with refusing() as (host, port, _):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            b"POST /413 HTTP/1.1\r\nHost: agent\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
        )
        response = await reader.read()
        assert response.startswith(b"HTTP/1.1 413 ")
        assert b"100 Continue" not in response
        writer.close()


async def test_100_continue_is_sent_when_the_body_is_wanted_and_not_to_http_1_0() -> None:
    head = b"POST /413 HTTP/%s\r\nHost: agent\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    async with refusing(limits=ConnectionLimits(body_seconds=0.05)) as (host, port, _):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head % b"1.1")
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.close()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head % b"1.0")
        assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        writer.close()


async def test_discarded_bytes_are_bounded() -> None:
    limits = LingerLimits(discarded_bytes=1_000_000)
    async with refusing(limits) as (host, port, server):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /401 HTTP/1.1\r\nHost: agent\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                writer.write(b"10000\r\n" + b"a" * 65_536 + b"\r\n")
                await writer.drain()
                sent += 65_536
        assert sent < 30_000_000  # the rest is what both sockets hold
        await ended(reader)
        writer.transport.abort()
        await gone(server)


@pytest.mark.parametrize(
    "limits", [LingerLimits(seconds=0.05), LingerLimits(idle_seconds=0.05)], ids=["altogether", "idle"]
)
async def test_lingering_is_bounded_in_time(limits: LingerLimits) -> None:
    async with refusing(limits) as (host, port, server):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(TRICKLE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        await gone(server)  # though the client keeps its side open
        writer.close()


async def test_oldest_lingering_connection_is_cut_above_the_limit() -> None:
    async with refusing(LingerLimits(connections=2)) as (host, port, server):
        clients = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(TRICKLE)
            assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
            clients.append(writer)
        while len(server.server_state.connections) != 2:  # noqa: ASYNC110 - uvicorn has a set, no event
            await asyncio.sleep(0)
        for writer in clients:
            writer.close()


async def test_stopping_server_does_not_wait_for_lingering_connections() -> None:
    async with refusing() as (host, port, server):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(TRICKLE)
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        server.stop()
        await gone(server)
        writer.close()


async def gone(server: WebServer) -> None:
    """Waits until the server has no connection."""
    while server.server_state.connections:  # noqa: ASYNC110 - uvicorn has a set, no event
        await asyncio.sleep(0)
