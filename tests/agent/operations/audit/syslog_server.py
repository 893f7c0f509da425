"""Syslog servers for tests, by real sockets on loopback or in a folder."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_SECONDS = 10.0


class DatagramServer:
    """UDP on a free port, or a local socket at `path`."""

    def __init__(self, path: Path | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(_SECONDS)
        self._socket.bind(str(path) if path else ("127.0.0.1", 0))
        self.port = 0 if path else self._socket.getsockname()[1]

    def messages(self, count: int) -> list[bytes]:
        return [self._socket.recv(65_536) for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections until a `StreamServer` listens there, and that no other test gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


class StreamServer:
    """TCP on a free port, TLS with `tls`, or a local socket at `path`. Serves one connection at a time."""

    def __init__(self, *, port: int = 0, path: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.settimeout(_SECONDS)
        self._socket.bind(str(path) if path else ("127.0.0.1", port))
        self._socket.listen()
        self.port = 0 if path else self._socket.getsockname()[1]
        self._tls = tls
        self._threads = ThreadPoolExecutor(1)

    def receive(self, count: int, *, by_lines: bool = False) -> Future[list[bytes]]:
        """Accepts a connection, reads `count` messages from it, and closes it."""
        return self._threads.submit(self._receive, count, by_lines)

    def _receive(self, count: int, by_lines: bool) -> list[bytes]:
        connection, _ = self._socket.accept()
        connection.settimeout(_SECONDS)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as stream:
            if by_lines:
                return [stream.readline().removesuffix(b"\n") for _ in range(count)]
            messages = []
            for _ in range(count):
                length = b""
                while (digit := stream.read(1)) != b" ":
                    length += digit
                messages.append(stream.read(int(length)))
            return messages

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
        self._threads.shutdown()
