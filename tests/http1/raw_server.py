"""A server that a test plays itself: it accepts connections, and sends and closes as the test says."""

import asyncio


class RawServer:
    def __init__(self):
        self.connections = asyncio.Queue()
        self.port = 0
        # Python 3.13 closes the connection of a writer that no test refers to any more.
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    async def _accept(self, reader, writer):
        self._writers.append(writer)
        self.connections.put_nowait((reader, writer))

    async def request(self):
        """The next connection, after its request without a body has been read."""
        reader, writer = await self.connections.get()
        return await reader.readuntil(b"\r\n\r\n"), reader, writer
