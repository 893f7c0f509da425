"""A listening port and its web server; the port can be shut, or show an expired certificate, meanwhile."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.certificates import Certificates
from sandbox.faults.failing_service import DROP_EXTENSION
from sandbox.faults.faults import PortState


class PortInUseError(OSError):
    """A port that the sandbox needs is taken. `port` says which, `purpose` what it is for."""

    def __init__(self, port: int, purpose: str) -> None:
        super().__init__(errno.EADDRINUSE, f'port {port} for "{purpose}" must be free, found it in use')
        self.port = port
        self.purpose = purpose


def bind(host: str, port: int, purpose: str, *, listen: bool = True) -> socket.socket:
    """A listening socket, or one that is only bound; port 0 lets the system choose. Raises PortInUseError."""
    # the protocol is named because asyncio sets TCP_NODELAY only then
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        if listen:
            listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(port, purpose) from error
        raise
    return listener


class DroppableProtocol(HttpToolsProtocol):
    """Lets an application cut its connection without an answer, or in the middle of one, which ASGI alone
    cannot express."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, dict[object, object]] = {
            DROP_EXTENSION: {"abort": self.transport.abort, "close": self.transport.close}
        }
        self.scope["extensions"] = extensions


class WebServer(uvicorn.Server):
    """A uvicorn server that leaves signals to the owner of the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Ends within a moment: connections are cut, as when a process dies."""
        self.should_exit = True
        self._abort_connections()

    async def end_requests(self) -> None:
        """Cuts all connections, and waits until no request is served any more. New ones are."""
        self._abort_connections()
        requests = list(self.server_state.tasks)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def _without_leaving_clients(app: ASGIApp) -> ASGIApp:
    """A client that leaves while it sends a request is no failure."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnect):
            await app(scope, receive, send)

    return serve


def web_server(app: ASGIApp, certificates: Certificates | None) -> WebServer:
    """Serves `app`, over TLS if there are certificates. The application's lifespan is not run."""
    tls: dict[str, Any] = {}
    if certificates:
        tls = {"ssl_certfile": certificates.certificate, "ssl_keyfile": certificates.key}
    return WebServer(
        uvicorn.Config(
            _without_leaving_clients(app),
            http=DroppableProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
            ws="none",
            **tls,
        )
    )


async def run(servers: dict[socket.socket, WebServer], ready: asyncio.Event) -> None:
    """Serves until cancelled; sets `ready` as soon as all listeners accept."""
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for listener, server in servers.items()]
    try:
        while not all(server.started for server in servers.values()):
            await asyncio.sleep(0.005)
            for task in tasks:
                if task.done():
                    task.result()
        ready.set()
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for server in servers.values():
            server.stop()
        await asyncio.gather(*tasks, return_exceptions=True)


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
