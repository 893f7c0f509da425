"""A new server process, and the seconds from its start to each of its responses."""

import contextlib
import http.client
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from benchmarks.servers.processes.process import ServerProcess
from tests.loopback import free_port

_RETRY_SECONDS: Final = 0.002
_MAX_SECONDS: Final = 60.0


class TimedStart:
    """A server process and the time of its start."""

    def __init__(self, server: ServerProcess, log: Path, began: float) -> None:
        self.server: Final = server
        self.log: Final = log
        self._began = began

    def seconds_to(self, method: str, path: str, body: object = None, **headers: str) -> float:
        """Sends the request until it returns 200; returns the seconds since the start of the process.

        Raises `RuntimeError` if the process ends or 60 s pass.
        """
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        process = psutil.Process(self.server.pid)
        while time.perf_counter() - self._began < _MAX_SECONDS and process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=_MAX_SECONDS)
                connection.request(method, path, content, sent)
                response = connection.getresponse()
                response.read()
                connection.close()
                if response.status == 200:
                    return time.perf_counter() - self._began
            time.sleep(_RETRY_SECONDS)
        fault = f"no response to {path}: {self.log.read_text()[-2000:]}"
        raise RuntimeError(fault)


@contextmanager
def timed_start(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[TimedStart]:
    """Runs `command` with a free port as its last argument until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began = time.perf_counter()
        server = ServerProcess([*command, str(port)], environment, port, log)
        try:
            yield TimedStart(server, log, began)
        finally:
            server.stop()
