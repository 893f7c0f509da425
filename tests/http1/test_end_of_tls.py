"""A server that ends TLS (close_notify) has ended its response, also while its connection stays open."""

import asyncio
import ssl
from types import SimpleNamespace

import httpx
import pytest

from http1.transport import Http1Transport, PoolUse

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\nwhole"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"


@pytest.fixture
async def server(certificates):
    """Sends what is in `server.response`, ends TLS, and waits for the client to end it, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        running.connections += 1
        writer.write(running.response)
        writer.close()

    listening = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=60)
    running = SimpleNamespace(connections=0, port=listening.sockets[0].getsockname()[1])
    yield running
    listening.close()


@pytest.fixture
async def client(certificates, server):
    context = ssl.create_default_context(cafile=certificates.authority)
    transport = Http1Transport(httpx, context, connections=2, use=PoolUse())
    url = f"https://localhost:{server.port}/"
    async with httpx.AsyncClient(transport=transport, timeout=5.0, base_url=url) as opened:
        yield opened


async def test_body_that_is_cut_is_a_protocol_error_at_once(server, client):
    server.response = CUT
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/")


async def test_body_without_length_ends_with_tls(server, client):
    server.response = UNTIL_THE_END
    assert (await client.get("/")).text == "whole"


async def test_connection_whose_tls_has_ended_is_not_used_again(server, client):
    server.response = WHOLE
    assert (await client.get("/")).text == "whole"
    assert (await client.get("/")).text == "whole"
    assert server.connections == 2
