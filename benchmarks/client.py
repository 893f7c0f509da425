"""A client for times that wrk does not tell: to the first words, and of many requests at once."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.servers.process import ServerProcess

_CONTENT = re.compile(rb'"content":\s*"[^"]')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """Seconds from the request to the first piece of content, and to the end of the answer."""

    first: float
    whole: float


class Connection:
    """One connection that is kept. Raises `RuntimeError` for an answer that is not 200 or has no content."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: ServerProcess) -> "Connection":
        """Connected, nothing sent."""
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def ask(self, path: str, body: dict[str, Any], token: str) -> Answered:
        """Sends `body` and reads the whole answer."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._writer.write(head.encode() + content)
        received, first = b"", 0.0
        async with asyncio.timeout(_LIMIT):
            while not _is_whole(received):
                piece = await self._reader.read(65536)
                received += piece
                if not first and _CONTENT.search(received):
                    first = time.perf_counter() - began
                if not piece:
                    break
        if not received.startswith(b"HTTP/1.1 200") or not first:
            fault = f"{path}: unexpected answer {received[:300]!r}"
            raise RuntimeError(fault)
        return Answered(first, time.perf_counter() - began)

    def close(self) -> None:
        """Does not wait."""
        self._writer.close()


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def one_after_another(
    server: ServerProcess, path: str, body: dict[str, Any], tokens: Sequence[str]
) -> list[Answered]:
    """A request for each token, on one connection."""

    async def ask() -> list[Answered]:
        connection = await Connection.open(server)
        answers = [await connection.ask(path, body, token) for token in tokens]
        connection.close()
        return answers

    return asyncio.run(ask())


def all_at_once(server: ServerProcess, path: str, body: dict[str, Any], tokens: Sequence[str]) -> float:
    """A request for each token, each on a connection that is open already; seconds until the last answer."""

    async def ask() -> float:
        connections = [await Connection.open(server) for _ in tokens]
        began = time.perf_counter()
        asked = zip(connections, tokens, strict=True)
        await asyncio.gather(*(connection.ask(path, body, token) for connection, token in asked))
        seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return seconds

    return asyncio.run(ask())
