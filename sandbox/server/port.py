"""A listening port that can be shut, or show an expired certificate, while the sandbox runs."""

import asyncio
import socket
from collections.abc import Callable
from typing import Literal

from sandbox.certificates import Certificates
from sandbox.server.listener import WebServer, bind

PortState = Literal["open", "shut", "expired"]


class Port:
    """One listener and its web server. Its methods may be called from any thread.

    A change closes every connection, a busy one after its response, so that the fault applies to all clients.
    """

    def __init__(self, listener: socket.socket, server: WebServer, certificates: Certificates | None) -> None:
        self.host, self.number = listener.getsockname()[:2]
        self._server = server
        self._certificates = certificates
        self._loop = asyncio.get_running_loop()
        self._state: PortState = "open"
        self._kept: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None

    def show(self, state: PortState) -> None:
        """Connections are refused, or offered a certificate that has expired, or served again.

        Raises `ValueError` for "expired" where there is no TLS.
        """
        if state == "expired" and self._certificates is None:
            raise ValueError(f"port {self.number} has no certificate")
        if state != self._state:
            self._in_the_loop(lambda: self._change(state))

    def _change(self, state: PortState) -> None:
        if self._state == "shut":
            self._listen()
        if self._certificates is not None:
            leaf = self._certificates.expired if state == "expired" else self._certificates.certificate
            assert self._server.config.ssl is not None  # noqa: S101 - there are certificates
            self._server.config.ssl.load_cert_chain(leaf, self._certificates.key)  # for new connections
        if state == "shut":
            for server in self._server.servers:
                server.close()
            # Bound but not listening: refused by the system, and no other process can take the number.
            self._kept = bind(self.host, self.number, "a port that is shut", listen=False)
        for connection in list(self._server.server_state.connections):
            connection.shutdown()
        self._state = state

    def _listen(self) -> None:
        assert self._kept is not None  # noqa: S101 - it is shut
        self._kept.listen(1024)  # from now on connections wait, and are accepted in a moment
        self._opening = self._loop.create_task(self._server.startup(sockets=[self._kept]))
        self._kept = None

    def _in_the_loop(self, work: Callable[[], None]) -> None:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            work()
            return

        async def there() -> None:
            work()

        asyncio.run_coroutine_threadsafe(there(), self._loop).result()
