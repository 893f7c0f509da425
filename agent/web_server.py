"""How the agent's servers listen: quiet, without banners, and with an end to waiting."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import uvicorn
from starlette.types import ASGIApp


class PortInUseError(OSError):
    """A port is taken. `option` says how to choose another."""

    def __init__(self, port: int, purpose: str, option: str) -> None:
        super().__init__(
            errno.EADDRINUSE, f"port {port}, for {purpose}, is in use; choose another with {option}"
        )


def listen(host: str, port: int, purpose: str, option: str) -> socket.socket:
    """A bound socket, so that a busy port is known before anything starts. Raises `PortInUseError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only on sockets that name their protocol.
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


def server_options(shutdown_seconds: float) -> dict[str, Any]:
    """Uvicorn's options for every server of ours."""
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "ws": "none",
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": max(1, round(shutdown_seconds)),
        "h11_max_incomplete_event_size": 32 * 1024,
    }


class WebServer(uvicorn.Server):
    """Leaves signals to whoever runs the event loop, so that several can share one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def web_server(app: ASGIApp, *, shutdown_seconds: float = 3.0, lifespan: bool = True) -> WebServer:
    """A server for `app`; give its socket to `serve_until_stopped`."""
    options = server_options(shutdown_seconds)
    return WebServer(uvicorn.Config(app, lifespan="on" if lifespan else "off", **options))


async def serve_until_stopped(
    servers: Mapping[socket.socket, WebServer], started: Callable[[], Awaitable[None]]
) -> None:
    """Runs the servers until SIGINT or SIGTERM, or until one of them ends. Calls `started` once all accept.

    The first signal ends running answers within the servers' time for it; the second ends them at once.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            for server in servers.values():
                server.force_exit = True
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    serving = [asyncio.create_task(server.serve(sockets=[listener])) for listener, server in servers.items()]
    announcing = asyncio.create_task(_announce(servers, started))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([*serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (announcing, waiting):
        task.cancel()
    for server in servers.values():
        server.should_exit = True
    await asyncio.gather(*serving, return_exceptions=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)


async def _announce(
    servers: Mapping[socket.socket, WebServer], started: Callable[[], Awaitable[None]]
) -> None:
    while not all(server.started for server in servers.values()):  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.02)
    await started()
