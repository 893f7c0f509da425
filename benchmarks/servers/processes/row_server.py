"""A server that only one row uses: `with row_server("instant_idaas") as server`."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.processes.process import ServerProcess
from tests.loopback import free_port


@contextmanager
def row_server(name: str) -> Iterator[ServerProcess]:
    """Runs `python -m benchmarks.servers.stand_ins.<name> PORT` until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"benchmarks.servers.stand_ins.{name}", str(port)]
        environment = {"PATH": os.environ.get("PATH", "")}
        server = ServerProcess(command, environment, port, Path(folder) / f"{name}.log")
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
