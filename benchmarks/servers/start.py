"""Starting a server anew, and the seconds from the start of its process to each of its answers."""

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

from benchmarks.servers.process import ServerProcess, free_port

_PAUSE: Final = 0.002
_LONGEST: Final = 60.0


class Start:
    """A server that has just been started."""

    def __init__(self, server: ServerProcess, log: Path, began: float) -> None:
        self.server: Final = server
        self.log: Final = log
        self._began = began

    def seconds_to(self, method: str, path: str, body: object = None, **headers: str) -> float:
        """Until this request is answered with 200; it is sent again as long as it is not."""
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        process = psutil.Process(self.server.pid)
        while time.perf_counter() - self._began < _LONGEST and process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=_LONGEST)
                connection.request(method, path, content, sent)
                answer = connection.getresponse()
                answer.read()
                connection.close()
                if answer.status == 200:
                    return time.perf_counter() - self._began
            time.sleep(_PAUSE)
        fault = f"no answer to {path}: {self.log.read_text()[-2000:]}"
        raise RuntimeError(fault)


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Start]:
    """`command` and a port, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began = time.perf_counter()
        server = ServerProcess([*command, str(port)], environment, port, log)
        try:
            yield Start(server, log, began)
        finally:
            server.stop()
