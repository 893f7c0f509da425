"""Connecting: to the first address that accepts, and with TLS only to the host that was meant."""

import asyncio
import socket
import ssl

import pytest

from http1.dial import STAGGER_SECONDS, dial

REFUSED = ("127.0.0.1", 1)


@pytest.fixture
def resolves(monkeypatch):
    """The addresses of every name."""

    def resolve(*addresses):
        looked_up = asyncio.get_running_loop().getaddrinfo

        async def getaddrinfo(host, *given, **options):
            if host[0].isdigit():  # uvloop looks addresses up, too
                return await looked_up(host, *given, **options)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    return resolve


async def test_next_address_is_tried_at_once_when_one_refuses(server, resolves):
    resolves(REFUSED, REFUSED, ("127.0.0.1", server.port))
    loop = asyncio.get_running_loop()
    began = loop.time()
    connection = await dial("service.example", 443, None)
    assert loop.time() - began < STAGGER_SECONDS
    connection.abort()


async def test_host_without_an_address_that_accepts_is_an_error(resolves):
    resolves(REFUSED, REFUSED)
    with pytest.raises(ConnectionRefusedError):
        await dial("service.example", 443, None)


async def test_cancelled_attempt_leaves_no_socket(resolves):
    with socket.socket() as full:  # listens, and accepts nothing
        full.bind(("127.0.0.1", 0))
        resolves(full.getsockname(), REFUSED)
        attempt = asyncio.ensure_future(dial("service.example", 443, None))
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


@pytest.fixture
async def tls_port(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def echo(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def nothing():
    return
    yield


async def test_connection_with_tls_carries_requests_and_responses(certificates, tls_port):
    connection = await dial("localhost", tls_port, ssl.create_default_context(cafile=certificates.authority))
    request = b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 60_000)
    await connection.send(request, nothing(), None, chunked=False, answer=True)
    assert (await connection.head(None)).status == 200
    received = b""
    while part := await connection.chunk(None):
        received += part
    assert received == request
    connection.abort()


@pytest.mark.parametrize("fault", ["authority", "name"])
async def test_certificate_of_another_authority_or_name_is_refused(certificates, tls_port, resolves, fault):
    resolves(("127.0.0.1", tls_port))
    trusted = None if fault == "authority" else certificates.authority
    context = ssl.create_default_context(cafile=trusted)
    with pytest.raises(ssl.SSLCertVerificationError):
        await dial("localhost" if fault == "authority" else "service.example", tls_port, context)
