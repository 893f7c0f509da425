"""An HTTP proxy on loopback: CONNECT, and requests whose target is an absolute URL."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class HttpProxy:
    """`async with HttpProxy() as proxy`. `heads` are those of the requests that began a connection.

    A connection is relayed, byte by byte, to the host of its first request. With `refusal`, a status line,
    every request is refused. `tls` is for the way from the client to the proxy.
    """

    refusal: bytes = b""
    tls: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)

    async def __aenter__(self) -> "HttpProxy":
        self._relays: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://localhost:{self._server.sockets[0].getsockname()[1]}"

    @property
    def targets(self) -> list[str]:
        """Method and target of each request in `heads`."""
        return [head.split(b" HTTP/", 1)[0].decode() for head in self.heads]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relays.add(asyncio.ensure_future(self._relay(reader, writer)))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            method, target, _ = head.decode("latin-1").split(" ", 2)
            if self.refusal:
                writer.write(self.refusal + b"\r\nContent-Length: 0\r\n\r\n")
                return
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            there_reader, there = await asyncio.open_connection(parts.hostname, parts.port)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                there.write(head)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, there))
                both.create_task(_copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()
