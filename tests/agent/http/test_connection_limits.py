"""A connection without incoming data, or whose client does not read, is closed.

A refusal before the end of the request's body still reaches the client that sends it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response
from agent.http.connection_limits import ConnectionLimits
from agent.http.request_limits import body_limit
from agent.http.web_server import WebServer, listen, web_server
from tests.agent.http.uploading_clients import CLIENTS

pytestmark = pytest.mark.promise("bounded")


SHORT = 0.05
DEFAULT = ConnectionLimits()
GET = b"GET / HTTP/1.1\r\nHost: agent\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: agent\r\nContent-Length: 100000\r\n\r\n"


class Application:
    """Responds at once without reading the body; an endless response lasts until the client disconnects."""

    def __init__(self, *, endless: bool = False) -> None:
        self._endless = endless
        self.disconnected = asyncio.Event()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self._endless:
            watch = asyncio.create_task(self._watch(receive))
            while not self.disconnected.is_set():
                await send({"type": "http.response.body", "body": b"a" * 65_536, "more_body": True})
                await asyncio.sleep(0)
            await watch
        await send({"type": "http.response.body", "body": b"done"})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, limits: ConnectionLimits = DEFAULT
) -> AsyncIterator[tuple[str, int, WebServer]]:
    """The address of `app`, and its server."""
    listener = listen("127.0.0.1", 0, "the test", "nothing")
    server = web_server(app, lifespan=False, limits=limits)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()
    try:
        async with asyncio.timeout(60):
            yield host, port, server
    finally:
        server.stop_at_once()
        await task


@contextlib.asynccontextmanager
async def connection(
    app: ASGIApp, limits: ConnectionLimits = DEFAULT
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, WebServer]]:
    async with serving(app, limits) as (host, port, server):
        reader, writer = await asyncio.open_connection(host, port)
        yield reader, writer, server
        writer.transport.abort()


async def test_idle_new_connection_is_closed() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, _, _):
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"no HTTP\r\n\r\n", 400, "invalid_request"),
        (GET[:-2], 408, "request_timeout"),
        (b"GET /" + b"a" * 2000, 431, "headers_too_large"),
    ],
)
async def test_refusal_by_the_connection_has_a_code_and_carries_the_security_headers(
    request_bytes: bytes, status: int, code: str
) -> None:
    limits = ConnectionLimits(head_seconds=SHORT, head_bytes=1000)
    async with connection(Application(), limits) as (reader, writer, _):
        writer.write(request_bytes)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        assert f'"{code}"'.encode() in await reader.read()
    assert head[0].startswith(f"http/1.1 {status} ")
    assert "x-content-type-options: nosniff" in head
    assert "cache-control: no-store" in head
    assert "x-frame-options: deny" in head


async def test_line_ends_after_a_response_do_not_keep_the_connection() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, writer, _):
        writer.write(GET)
        assert b"done" in await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"\r\n")
        await reader.read()  # ends


async def test_unfinished_body_closes_the_connection_after_its_response() -> None:
    async with connection(Application(), ConnectionLimits(body_seconds=SHORT)) as (reader, writer, _):
        writer.write(POST + b"a")
        assert b"done" in await ended(reader)


async def test_client_that_reads_nothing_is_disconnected_and_the_application_notified() -> None:
    app = Application(endless=True)
    async with connection(app, ConnectionLimits(read_seconds=SHORT)) as (_, writer, _):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        writer.write(GET)
        await app.disconnected.wait()


async def test_endless_headers_during_a_response_end_the_connection() -> None:
    app = Application(endless=True)
    async with connection(app, ConnectionLimits(head_bytes=1000)) as (reader, writer, _):
        writer.write(GET)
        await reader.readuntil(b"aaa")
        writer.write(GET[:-2] + b"X: a\r\n" * 1000)
        await ended(reader)
        await app.disconnected.wait()


async def test_pipelined_request_has_the_same_header_timeout() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, writer, _):
        writer.write(GET + GET[:-2])
        assert b"done" in await ended(reader)


@pytest.mark.parametrize(
    "limits", [ConnectionLimits(body_seconds=SHORT), ConnectionLimits(head_seconds=SHORT)]
)
async def test_time_in_which_the_server_does_not_read_is_not_counted(limits: ConnectionLimits) -> None:
    finished = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow(_: Scope, receive: Receive, send: Send) -> None:
        loop.call_later(4 * SHORT, finished.set)
        await finished.wait()
        body = 0
        while (message := await receive())["type"] == "http.request":
            body += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d bytes" % body})

    async with connection(slow, limits) as (reader, writer, _):
        writer.write(POST + b"a" * 100_000)
        assert b"100000 bytes" in await reader.readuntil(b"0\r\n\r\n")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All received bytes until the connection ended."""
    came = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            came += piece
    return bytes(came)


SIZES = (1_100_000, 5_000_000, 20_000_000)
STATUSES = (401, 403, 408, 429, 431, 503)
TRICKLE = b"POST /413 HTTP/1.1\r\nHost: agent\r\nContent-Length: 2000000\r\n\r\n"


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses with the status in the path, without reading; 413 as the agent does."""
    status = int(scope["path"].split("/")[1])
    if status == 413:
        await body_limit(refuse, max_bytes=1_048_576)(scope, receive, send)
        return
    refusal = RequestError(None, "refused", code="refused", status=status)
    await error_response(refusal)(scope, receive, send)


def refusing(limits: ConnectionLimits = DEFAULT) -> AbstractAsyncContextManager[tuple[str, int, WebServer]]:
    return serving(refuse, limits)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("name", CLIENTS)
async def test_refusal_reaches_a_client_that_still_uploads(name: str, chunked: bool) -> None:
    async with refusing() as (host, port, _):
        for size in SIZES:
            url = f"http://{host}:{port}/413"
            assert await CLIENTS[name](url, size, chunked=chunked) == 413, size


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
    async with refusing(ConnectionLimits(body_seconds=0.05)) as (host, port, _):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head % b"1.1")
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.close()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head % b"1.0")
        assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        writer.close()


async def test_discarded_bytes_are_bounded() -> None:
    limits = ConnectionLimits(linger_bytes=1_000_000)
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
    "limits",
    [ConnectionLimits(linger_seconds=0.05), ConnectionLimits(linger_idle_seconds=0.05)],
    ids=["altogether", "idle"],
)
async def test_lingering_is_bounded_in_time(limits: ConnectionLimits) -> None:
    async with refusing(limits) as (host, port, server):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(TRICKLE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        await gone(server)  # though the client keeps its side open
        writer.close()


async def test_oldest_lingering_connection_is_cut_above_the_limit() -> None:
    async with refusing(ConnectionLimits(lingering=2)) as (host, port, server):
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
