"""A Redis on loopback that can be stopped during a test."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import ResponseError


class Connection(TCPFakeRequestHandler):
    """fakeredis closes the connection after an error; Redis does not."""

    def setup(self) -> None:
        super().setup()
        read = self.current_client.read_response

        def answered() -> Any:
            try:
                return read()
            except ResponseError as error:
                return error

        self.current_client.read_response = answered


class RedisServer(TcpFakeServer):
    """Speaks the real protocol, scripts included, and keeps its data in memory."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0))
        self.RequestHandlerClass = Connection
        self._open: list[socket.socket] = []
        self._serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._serving.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return len(self._open)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.append(connection)
        return connection, address

    def leave(self) -> None:
        """Stops the server and closes its connections."""
        self.shutdown()
        self._serving.join()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        yield server
    finally:
        server.leave()
