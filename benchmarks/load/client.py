"""A client for what wrk does not measure: time to the first words, and many first requests at once."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load.loaded_server import LoadedServer

_CONTENT = re.compile(rb'"(?:content|delta)":\s*"[^"]')  # of OpenAI or AG-UI
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """Seconds from the request to the first piece of content, and to the end of the response."""

    first: float
    complete: float


class Connection:
    """One persistent connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: LoadedServer) -> "Connection":
        """Connects to `server`; sends nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def send(
        self, path: str, body: dict[str, Any], token: str, *, thread: str | None = None
    ) -> ResponseTimes:
        """Sends `body`, on a conversation if `thread` names one, and reads the whole response.

        Raises `RuntimeError` for a status other than 200 or a response without content.
        """
        began = time.perf_counter()
        self.begin(path, body, token, thread=thread)
        received, first = b"", 0.0
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while not _is_complete(received):
                piece = await self._reader.read(65536)
                received += piece
                if not first and _CONTENT.search(received):
                    first = time.perf_counter() - began
                if not piece:
                    break
        if not received.startswith(b"HTTP/1.1 200") or not first:
            fault = f"{path}: unexpected response {received[:300]!r}"
            raise RuntimeError(fault)
        return ResponseTimes(first, time.perf_counter() - began)

    async def complete(self, seconds: float) -> float:
        """Reads the response of `begin` to its end; returns the time (`perf_counter`) of its first content.

        Raises `RuntimeError` for a status other than 200 or a response without content.
        """
        received, first = bytearray(), 0.0
        async with asyncio.timeout(seconds):
            while not received.endswith(b"\r\n0\r\n\r\n"):
                piece = await self._reader.read(65536)
                received += piece
                if not first and _CONTENT.search(received):
                    first = time.perf_counter()
                if not piece:
                    break
        if not received.startswith(b"HTTP/1.1 200") or not first:
            fault = f"unexpected response {bytes(received[:300])!r}"
            raise RuntimeError(fault)
        return first

    async def get(self, path: str) -> None:
        """Reads the head of a response to GET."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await self._reader.readuntil(b"\r\n\r\n")

    def begin(self, path: str, body: dict[str, Any], token: str, *, thread: str | None = None) -> None:
        """Sends a request, and reads nothing."""
        content = json.dumps(body).encode()
        named = f"X-Thread-Id: {thread}\r\n" if thread else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{named}"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)

    def close(self) -> None:
        """Closes the connection without waiting."""
        self._writer.close()


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def send_sequentially(
    server: LoadedServer, path: str, body: dict[str, Any], tokens: Sequence[str]
) -> list[ResponseTimes]:
    """Sends a request for each token, on one connection."""

    async def run() -> list[ResponseTimes]:
        connection = await Connection.open(server)
        times = [await connection.send(path, body, token) for token in tokens]
        connection.close()
        return times

    return asyncio.run(run())


def send_concurrently(
    server: LoadedServer,
    path: str,
    body: dict[str, Any],
    tokens: Sequence[str],
    *,
    in_threads: bool = False,
) -> float:
    """Sends a request for each token, each on an open connection; returns seconds to the last response.

    With `in_threads`, each on a conversation of its own.
    """

    async def run() -> float:
        connections = [await Connection.open(server) for _ in tokens]
        began = time.perf_counter()
        names = [secrets.token_hex(8) if in_threads else None for _ in tokens]
        requests = zip(connections, tokens, names, strict=True)
        await asyncio.gather(
            *(connection.send(path, body, token, thread=name) for connection, token, name in requests)
        )
        seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return seconds

    return asyncio.run(run())
