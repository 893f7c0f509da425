"""How the agent's servers listen and stop, within bounded time."""

import asyncio
import errno
import math
import resource
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp

from agent.http.connection_limits import ConnectionLimits, LimitedHttpProtocol
from agent.http.shutdown import Shutdown

MOST: Final = 65_536


def raise_open_files_limit() -> int:
    """Raises this process's limit to the one that the system allows it, at most `MOST`; returns the limit.

    The usual limit of 1,024 is for programs that use `select`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


STOP_NOW: Final = signal.SIGUSR1
"""The signal that a parent process sends for Ctrl-C: as SIGTERM, without the delay."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, STOP_NOW)
_ABORT_SECONDS: Final = 2.0
"""How long a server waits, after the end of its responses, for clients that do not read them."""
_IMMEDIATE_STOP_SECONDS: Final = 0.5


class PortInUseError(OSError):
    """A port is taken. `option` is the option that chooses another."""

    def __init__(self, port: int, purpose: str, option: str) -> None:
        super().__init__(
            errno.EADDRINUSE, f"port {port} of {purpose} is in use: choose another with {option}"
        )


def listen(host: str, port: int, purpose: str, option: str) -> socket.socket:
    """A bound socket, so that a busy port is known before anything starts. Raises `PortInUseError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small responses at once (TCP_NODELAY) only on sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # On Linux two sockets may be bound to one port while neither listens.
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(port, purpose, option) from None
        raise
    return listener


class WebServer(uvicorn.Server):
    """Handles no signals, so that several servers can share one event loop.

    Stopping with a delay, it serves new connections for `delay` seconds, while the application says that it
    stops, so that balancers learn of it. Then it accepts no more, and lets responses continue for `seconds`,
    and work that no client waits for. Then `graceful_shutdown` ends them, and then the connections of clients
    that do not read are aborted; uvicorn would cancel their handlers at any point. The lifespan ends last.
    """

    def __init__(self, config: uvicorn.Config, seconds: float, delay: float = 0.0) -> None:
        super().__init__(config)
        self._seconds = seconds
        self._delay = delay
        self.graceful_shutdown: Shutdown | None = None
        """That of the application; `None` until it is composed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures no signal: `serve_until_stopped` handles them."""
        yield

    def stop(self, *, delayed: bool = False) -> None:
        """Begins to stop, in the event loop; without a delay before the application is composed."""
        delay = self._delay if delayed and self.graceful_shutdown is not None else 0.0
        if self.graceful_shutdown is not None:
            self.graceful_shutdown.begin(delay + self._seconds)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._accept_no_more)
        else:
            self._accept_no_more()

    def _accept_no_more(self) -> None:
        self.should_exit = True

    def stop_at_once(self) -> None:
        """Stops, and gives responses a moment to end."""
        self.stop()
        if self.graceful_shutdown is not None:
            self.graceful_shutdown.end()
        asyncio.get_running_loop().call_later(_IMMEDIATE_STOP_SECONDS, self._abort_connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops; `should_exit` may also have been set directly."""
        self.stop()
        abort = asyncio.get_running_loop().call_later(self._seconds + _ABORT_SECONDS, self._abort_connections)
        try:
            await super().shutdown(sockets)
            if self.graceful_shutdown is not None:
                await self.graceful_shutdown.ended()
        finally:
            abort.cancel()

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def web_server(
    app: ASGIApp,
    *,
    shutdown_seconds: float = 3.0,
    shutdown_delay: float = 0.0,
    lifespan: bool = True,
    limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - a value that does not change
) -> WebServer:
    """A server for `app`; give its socket to `serve_until_stopped`."""
    protocol = partial(LimitedHttpProtocol, limits, {})
    config = uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], protocol),
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=math.ceil(shutdown_seconds + _ABORT_SECONDS) + 1,
    )
    return WebServer(config, shutdown_seconds, shutdown_delay)


async def serve_until_stopped(servers: Mapping[socket.socket, WebServer]) -> None:
    """Runs the servers until SIGINT or SIGTERM, or until one of them ends.

    The first signal lets responses continue within the servers' time for it, after SIGTERM with their delay;
    the second ends them at once. Signals do no more until the event loop is closed: what is closed after the
    servers, such as the audit log, is closed whole.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    serving = [loop.create_task(server.serve(sockets=[listener])) for listener, server in servers.items()]

    def stop(number: signal.Signals) -> None:
        for server in servers.values():
            if stopping.is_set():
                server.stop_at_once()
            else:
                server.stop(delayed=number is signal.SIGTERM)
        stopping.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
    for server in servers.values():
        server.stop()
    ends = await asyncio.gather(*serving, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
