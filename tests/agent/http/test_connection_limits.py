"""A connection without incoming data, or whose client does not read, is closed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.http.connection_limits import ConnectionLimits
from agent.http.web_server import listen, web_server

pytestmark = pytest.mark.promise("bounded")

SHORT = 0.05
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
async def connection(
    app: ASGIApp, limits: ConnectionLimits
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    listener = listen("127.0.0.1", 0, "the test", "nothing")
    server = web_server(app, lifespan=False, limits=limits)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=2**16)
        yield reader, writer
    writer.transport.abort()
    server.stop_at_once()
    await serving


async def test_idle_new_connection_is_closed() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, _):
        assert await reader.read() == b""


async def test_unfinished_headers_get_408() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, writer):
        writer.write(GET[:-2])
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["error"]["code"] == "request_timeout"


@pytest.mark.parametrize(
    ("request_bytes", "status"), [(b"no HTTP\r\n\r\n", 400), (GET[:-2], 408), (b"GET /" + b"a" * 2000, 431)]
)
async def test_refusal_by_the_connection_carries_the_security_headers(
    request_bytes: bytes, status: int
) -> None:
    limits = ConnectionLimits(head_seconds=SHORT, head_bytes=1000)
    async with connection(Application(), limits) as (reader, writer):
        writer.write(request_bytes)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
    assert head[0].startswith(f"http/1.1 {status} ")
    assert "x-content-type-options: nosniff" in head
    assert "cache-control: no-store" in head
    assert "x-frame-options: deny" in head


async def test_line_ends_after_a_response_do_not_keep_the_connection() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, writer):
        writer.write(GET)
        assert b"done" in await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"\r\n")
        await reader.read()  # ends


async def test_unfinished_body_closes_the_connection_after_its_response() -> None:
    async with connection(Application(), ConnectionLimits(body_seconds=SHORT)) as (reader, writer):
        writer.write(POST + b"a")
        assert b"done" in await ended(reader)


async def test_client_that_reads_nothing_is_disconnected_and_the_application_notified() -> None:
    app = Application(endless=True)
    async with connection(app, ConnectionLimits(read_seconds=SHORT)) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        writer.write(GET)
        await app.disconnected.wait()


async def test_endless_headers_during_a_response_end_the_connection() -> None:
    app = Application(endless=True)
    async with connection(app, ConnectionLimits(head_bytes=1000)) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"aaa")
        writer.write(GET[:-2] + b"X: a\r\n" * 1000)
        await ended(reader)
        await app.disconnected.wait()


async def test_pipelined_request_has_the_same_header_timeout() -> None:
    async with connection(Application(), ConnectionLimits(head_seconds=SHORT)) as (reader, writer):
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

    async with connection(slow, limits) as (reader, writer):
        writer.write(POST + b"a" * 100_000)
        assert b"100000 bytes" in await reader.readuntil(b"0\r\n\r\n")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All received bytes until the connection ended."""
    came = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            came += piece
    return bytes(came)
