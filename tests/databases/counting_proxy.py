"""A proxy in front of PostgreSQL or Redis that counts the exchanges of its clients, whatever their duration.

It also stands for a server that hangs: what is sent arrives at its machine, and nothing responds.

An exchange is what a client waits for once: the commands that it sends together, and their replies.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

_PIECE: Final = 65_536
_COMMAND: Final = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")
_WRITTEN: Final = re.compile(rb"(?:INSERT 0|UPDATE|DELETE) (\d+)\0")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client sent, and how many bytes had been received for it when it counted."""

    sent: bytes
    received: int
    rows_written: int = 0
    """Rows of PostgreSQL that were inserted, updated or deleted."""

    @property
    def redis_commands(self) -> list[str]:
        """The names of its commands, in capitals."""
        return [name.decode().upper() for name in _COMMAND.findall(self.sent)]


class Wire(Protocol):
    """Finds the exchanges of one connection."""

    def sent(self, data: bytes) -> None:
        """Bytes of the client."""
        ...

    def received(self, data: bytes) -> list[Exchange]:
        """Bytes of the server; the exchanges that they complete."""
        ...


class PostgresWire:
    """An exchange ends with ReadyForQuery (PostgreSQL 55.7). Not with TLS: `sslmode=disable`."""

    def __init__(self) -> None:
        self._sent = bytearray()
        self._messages = bytearray()
        self._received = self._rows = 0

    def sent(self, data: bytes) -> None:
        """See `Wire`."""
        self._sent += data

    def received(self, data: bytes) -> list[Exchange]:
        """See `Wire`."""
        self._messages += data
        self._received += len(data)
        completed = []
        while len(self._messages) > (length := int.from_bytes(self._messages[1:5])) >= 4:
            kind, body = self._messages[:1], bytes(self._messages[5 : length + 1])
            del self._messages[: length + 1]
            if kind == b"C" and (written := _WRITTEN.fullmatch(body)):
                self._rows += int(written[1])
            elif kind == b"Z":
                completed.append(Exchange(bytes(self._sent), self._received, self._rows))
                self._sent.clear()
                self._received = self._rows = 0
        return completed


class RedisWire:
    """An exchange counts with the first reply after a command: those of a pipeline are sent at once."""

    def __init__(self) -> None:
        self._sent = bytearray()

    def sent(self, data: bytes) -> None:
        """See `Wire`."""
        self._sent += data

    def received(self, data: bytes) -> list[Exchange]:
        """See `Wire`. What is published to a subscriber is no reply."""
        if not self._sent:
            return []
        exchange = Exchange(bytes(self._sent), len(data))
        self._sent.clear()
        return [exchange]


class CountingProxy:
    """Listens on loopback, in front of the server on `port`, until its `async with` block ends."""

    def __init__(self, port: int, wire: Callable[[], Wire]) -> None:
        self.exchanges: Final[list[Exchange]] = []
        """Of all connections, in the order of their ends."""
        self.accepted = 0
        """Connections so far."""
        self._passes_on = asyncio.Event()
        self._passes_on.set()
        self._target = port
        self._wire = wire
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def hang(self) -> None:
        """From now on passes nothing on, in either direction."""
        self._passes_on.clear()

    def go_on(self) -> None:
        """Passes on what it has received, and all that follows."""
        self._passes_on.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cuts all connections."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.accepted += 1
        try:
            await self._pass_on(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass_on(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await self._passes_on.wait()
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        wire = self._wire()

        async def requests() -> None:
            while data := await client.read(_PIECE):
                await self._passes_on.wait()
                wire.sent(data)
                to_server.write(data)

        async def replies() -> None:
            while data := await server.read(_PIECE):
                await self._passes_on.wait()
                self.exchanges.extend(wire.received(data))
                to_client.write(data)

        directions = [asyncio.create_task(requests()), asyncio.create_task(replies())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            to_server.close()
