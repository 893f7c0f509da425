"""One address in front of several replicas, or of a database: passes connections on to each in turn."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 65_536
_REMEMBERED: Final = 10_000


class Balancer:
    """Balances connections, not requests, and reads nothing of them. Listens on loopback.

    A connection goes to the next replica that accepts it; a replica that does not is passed over. A
    connection to a replica that dies is cut, as any balancer cuts it: no request is sent twice.
    """

    def __init__(self, ports: Sequence[int], port: int = 0) -> None:
        """`ports` are the replicas'. `port` 0 lets the system choose."""
        self._ports = list(ports)
        self.delays: Final[dict[int, float]] = {}
        """Seconds that each piece waits on the way to or from a replica, by its port."""
        self._wanted = port
        self._next = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._served: OrderedDict[int, int] = OrderedDict()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101 - it was entered
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def served_by(self, client_port: int) -> int | None:
        """The port of the replica to which the connection of a client's port went; `None` if to none."""
        return self._served.get(client_port)

    def switch(self, port: int) -> None:
        """From now on, connections go to the server on `port`. Those that are open are cut."""
        self._ports = [port]
        for connection in self._connections:
            connection.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._wanted)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cuts all connections."""
        assert self._server is not None  # noqa: S101 - it was entered
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._connections.add(task)
        try:
            replica = await self._connected(writer)
            if replica is not None:
                await self._pass_on(reader, writer, *replica)
        except asyncio.CancelledError:
            pass  # the connection is cut; asyncio would report its task as failed
        finally:
            self._connections.discard(task)
            writer.close()  # what was written before is sent

    async def _connected(
        self, client: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the next replica that accepts one."""
        for _ in self._ports:
            port = self._ports[self._next % len(self._ports)]
            self._next += 1
            with contextlib.suppress(OSError):
                connection = await asyncio.open_connection("127.0.0.1", port)
                self._served[client.get_extra_info("peername")[1]] = port
                if len(self._served) > _REMEMBERED:
                    self._served.popitem(last=False)
                return connection
        return None

    async def _pass_on(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        replica: asyncio.StreamReader,
        to_replica: asyncio.StreamWriter,
    ) -> None:
        """Passes bytes on in both directions, until the replica has ended, or one side is gone."""
        port = to_replica.get_extra_info("peername")[1]
        directions = [
            asyncio.create_task(self._copy(client, to_replica, port)),
            asyncio.create_task(self._copy(replica, to_client, port)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            to_replica.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, port: int) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(_PIECE):
                if delay := self.delays.get(port):
                    await asyncio.sleep(delay)
                target.write(piece)
                await target.drain()
