"""A client's requests: what is sent, which errors are raised, and which connections are kept or closed."""

import asyncio
import os
import ssl
from contextlib import suppress

import pytest

from http1.dial import dial
from http1.transport import KEEPALIVE_SECONDS, Http1Transport, IdleConnections, PoolUse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


@pytest.fixture
def use():
    return PoolUse()


@pytest.fixture
async def client(library, use):
    transport = Http1Transport(library, ssl.create_default_context(), connections=2, use=use)
    async with library.AsyncClient(transport=transport, timeout=5.0) as opened:
        yield opened


async def test_request_is_sent_as_the_library_wrote_it(server, client):
    sending = asyncio.create_task(
        client.post(server.url + "a?b=c", content=b"body", headers={"X-Name": b"\xe9"})
    )
    head, reader, writer = await server.request()
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{server.port}".encode() in head.lower()
    assert b"X-Name: \xe9\r\n" in head
    assert await reader.readexactly(4) == b"body"
    writer.write(OK)
    response = await sending
    assert (response.status_code, response.reason_phrase, response.text) == (200, "OK", "done")


async def test_body_of_unknown_length_is_sent_in_chunks(server, client):
    async def pieces():
        yield b"ab"
        yield b""
        yield b"cde"

    sending = asyncio.create_task(client.post(server.url, content=pieces()))
    _, reader, writer = await server.request()
    assert await reader.readuntil(b"0\r\n\r\n") == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    writer.write(OK)
    assert (await sending).text == "done"


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\0b"}, {"X Y": "a"}, {"X:": "a"}]
)
async def test_header_that_would_begin_another_line_is_refused(server, client, library, headers):
    with pytest.raises(library.LocalProtocolError):
        await client.get(server.url, headers=headers)
    assert server.connections.empty()


async def test_target_that_would_begin_another_line_is_refused(server, client, library):
    request = client.build_request("GET", server.url, extensions={"target": b"/ HTTP/1.1\r\nX: y"})
    with pytest.raises(library.LocalProtocolError):
        await client.send(request)


async def test_connection_is_used_again_after_a_response_was_read_to_its_end(server, client, use):
    first = asyncio.create_task(client.get(server.url))
    _, reader, writer = await server.request()
    writer.write(OK)
    await first
    second = asyncio.create_task(client.get(server.url))
    await reader.readuntil(b"\r\n\r\n")
    assert use.in_use == 1
    writer.write(OK)
    await second
    assert (server.connections.empty(), use.in_use) == (True, 0)


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x"])
@pytest.mark.parametrize("arrives", ["with the response", "after it", "as the next request begins"])
async def test_data_that_was_not_requested_is_never_a_response(server, client, surplus, arrives):
    first = asyncio.create_task(client.get(server.url))
    _, reader, writer = await server.request()
    writer.write(OK + surplus if arrives == "with the response" else OK)
    assert (await first).text == "done"
    if arrives != "with the response":  # just before the next request, if it does not wait for the end
        loop = asyncio.get_running_loop()
        loop.call_soon(os.write, writer.get_extra_info("socket").fileno(), surplus)
    if arrives == "after it":
        assert await reader.read() == b""  # the client has closed the connection
    second = asyncio.create_task(client.get(server.url))
    request = asyncio.create_task(server.request())
    await asyncio.wait([second, request], return_when=asyncio.FIRST_COMPLETED)
    assert not second.done()
    _, _, writer = await request
    writer.write(OK)
    assert (await second).text == "done"


async def test_connection_that_the_server_closed_is_not_used_again(server, client):
    first = asyncio.create_task(client.get(server.url))
    _, reader, writer = await server.request()
    writer.write(OK)
    await first
    writer.close()
    assert await reader.read() == b""
    second = asyncio.create_task(client.get(server.url))
    _, _, writer = await server.request()
    writer.write(OK)
    assert (await second).text == "done"


async def test_response_that_is_left_unread_closes_the_connection(server, client, use):
    opening = asyncio.create_task(client.send(client.build_request("GET", server.url), stream=True))
    _, reader, writer = await server.request()
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    await (await opening).aclose()
    assert (await reader.read(), use.in_use) == (b"", 0)


async def test_cancelled_request_closes_the_connection(server, client, use):
    sending = asyncio.create_task(client.get(server.url))
    _, reader, _ = await server.request()
    sending.cancel()
    assert (await reader.read(), use.in_use) == (b"", 0)


async def test_parts_that_arrived_together_are_read_together(server, client):
    opening = asyncio.create_task(client.send(client.build_request("GET", server.url), stream=True))
    _, _, writer = await server.request()
    writer.write(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"
    )
    response = await opening
    assert [part async for part in response.aiter_raw()] == [b"abc"]


async def test_reader_that_waits_lets_the_server_wait(server, client):
    opening = asyncio.create_task(client.send(client.build_request("GET", server.url), stream=True))
    _, _, writer = await server.request()
    size = 64 * 1024 * 1024
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    response = await opening
    writer.write(bytes(size))
    sending = asyncio.create_task(writer.drain())
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not sending.done()
    received = 0
    async for part in response.aiter_raw():
        received += len(part)
    assert received == size
    await sending


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"])
async def test_response_that_is_none_is_a_protocol_error(server, client, library, use, response):
    sending = asyncio.create_task(client.get(server.url))
    _, _, writer = await server.request()
    writer.write(response)
    writer.close()
    with pytest.raises((library.RemoteProtocolError, library.ReadError)):
        await sending
    assert use.in_use == 0


async def test_body_that_ends_early_is_a_protocol_error(server, client, library):
    sending = asyncio.create_task(client.get(server.url))
    _, _, writer = await server.request()
    writer.write(OK[:-1])
    writer.close()
    with pytest.raises(library.RemoteProtocolError):
        await sending


async def test_response_before_the_end_of_the_request_is_read(server, client, library):
    sending = asyncio.create_task(client.post(server.url, content=bytes(32 * 1024 * 1024)))
    _, _, writer = await server.request()
    writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.transport.set_write_buffer_limits(0)
    writer.close()
    with suppress(library.ReadError, library.RemoteProtocolError):  # the reset may overtake the response
        assert (await sending).status_code == 413


async def test_every_time_limit_has_its_own_error(server, client, library, use):
    with pytest.raises(library.ReadTimeout):
        await client.get(server.url, timeout=library.Timeout(5.0, read=0.01))
    with pytest.raises(library.WriteTimeout):
        await client.post(
            server.url, content=bytes(64 * 1024 * 1024), timeout=library.Timeout(5.0, write=0.01)
        )
    waiting = [asyncio.create_task(client.get(server.url)) for _ in range(2)]
    for _ in range(4):
        await server.connections.get()
    with pytest.raises(library.PoolTimeout):
        await client.get(server.url, timeout=library.Timeout(5.0, pool=0.01))
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert use.in_use == 0


async def test_request_over_the_limit_waits_for_the_end_of_another(server, client):
    requests = [asyncio.create_task(client.get(server.url)) for _ in range(3)]
    _, reader, writer = await server.request()
    await server.request()
    writer.write(OK)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET / HTTP/1.1")  # the third
    for each in requests:
        each.cancel()
    await asyncio.gather(*requests, return_exceptions=True)


async def test_refused_connection_is_a_connect_error(client, library, use):
    with pytest.raises(library.ConnectError):
        await client.get("http://127.0.0.1:1/")
    assert use.in_use == 0


async def test_other_schemes_are_refused(client, library):
    with pytest.raises(library.UnsupportedProtocol):
        await client.get("ftp://127.0.0.1/")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def origin(server):
    return (False, "127.0.0.1", server.port)


async def connected(origin):
    return await dial(origin[1], origin[2], None)


async def test_latest_connection_is_used_first_and_only_for_its_origin(origin):
    idle = IdleConnections(10)
    first, second = await connected(origin), await connected(origin)
    idle.keep(first, origin)
    idle.keep(second, origin)
    assert idle.take((True, *origin[1:])) is None
    assert [idle.take(origin), idle.take(origin), idle.take(origin)] == [second, first, None]
    first.abort()
    second.abort()


async def test_connection_is_used_until_it_expires(origin):
    clock = Clock()
    idle, connection = IdleConnections(10, clock), await connected(origin)
    idle.keep(connection, origin)
    clock.now += KEEPALIVE_SECONDS - 1
    assert idle.take(origin) is connection
    idle.keep(connection, origin)
    clock.now += KEEPALIVE_SECONDS
    assert idle.take(origin) is None
    assert not connection.reusable


async def test_connections_over_the_limit_are_closed(origin):
    idle = IdleConnections(1)
    first, second = await connected(origin), await connected(origin)
    idle.keep(first, origin)
    idle.keep(second, origin)
    assert (first.reusable, second.reusable) == (True, False)
    idle.close()
    assert not first.reusable


async def test_connection_of_another_event_loop_is_not_used(origin):
    idle, connection = IdleConnections(10), await connected(origin)
    idle.keep(connection, origin)

    async def take():
        return idle.take(origin)

    assert await asyncio.to_thread(asyncio.run, take()) is None
    connection.abort()
