"""Serves metrics to Prometheus on a port of their own: `GET /metrics`, without authentication.

In threads: a scrape does not wait for the event loop, so that its lag can be seen.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from identity.observation.metrics import Reading

_AT_ONCE: Final = 4
"""Connections that are served at the same time. For a further one, that which has waited longest for its
request is closed; if all have sent theirs, the further one is."""
_STOPS_WITHIN: Final = 0.1
_SECONDS: Final = 5.0
"""How long a connection may be silent."""


class MetricsServer(ThreadingHTTPServer):
    """A `MetricsOutlet` on the bound socket `listener`, which it closes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.read: Callable[[], Reading] | None = None
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._incomplete: dict[socket.socket, bool] = {}
        """Connections without a whole request yet, the oldest first."""

    def start(self, read: Callable[[], Reading]) -> None:
        self.read = read
        serve = partial(self.serve_forever, poll_interval=_STOPS_WITHIN)
        threading.Thread(target=serve, name="metrics", daemon=True).start()

    def stop(self) -> None:
        if self.read is not None:
            self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class
        if self._places.acquire(blocking=False) or self._made_room():
            self._incomplete[request] = True
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the same
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.complete(request)
            self._places.release()

    def complete(self, request: Any) -> bool:  # noqa: ANN401 - the same
        """The request of this connection is whole; whether it was not before."""
        return self._incomplete.pop(request, False)

    def _made_room(self) -> bool:
        for oldest in filter(self.complete, list(self._incomplete)):
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and gives its place back
            return self._places.acquire(timeout=_SECONDS)
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the same
        """A client that left is no fault; the base class would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server_version = "metrics"
    sys_version = ""

    server: MetricsServer

    def do_GET(self) -> None:
        from agent.operations.metrics.prometheus_text import prometheus_text  # not while the server starts

        self.server.complete(self.request)
        if self.path.partition("?")[0] != "/metrics" or (read := self.server.read) is None:
            self.send_error(404)
            return
        content, media_type = prometheus_text(read(), self.headers.get("Accept", ""))
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Scrapes are not logged."""
