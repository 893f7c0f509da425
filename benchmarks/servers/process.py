"""One server in a process of its own: started, awaited, measured, stopped."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import psutil

ROOT: Final = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """`command` must come to answer GET `path` on `port` with 200. Its output goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        log: Path,
        path: str = "/health",
    ) -> None:
        self.port: Final = port
        self.url: Final = f"http://127.0.0.1:{port}"
        self._log = log
        self._path = path
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=dict(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
        self._tree = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """The first process; workers are its children."""
        return self._process.pid

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Raises `RuntimeError` with the end of the log if it does not come up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + self._path, trust_env=False).status_code == 200:
                    return
            time.sleep(0.02)
        self.stop()
        fault = f"{self._log.stem} did not start: {self._log.read_text()[-2000:]}"
        raise RuntimeError(fault)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes that live."""
        total = 0.0
        for process in [self._tree, *self._tree.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Resident memory of all its processes; what they share counts for each."""
        processes = [self._tree, *self._tree.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    def stop(self) -> None:
        """Ends it, by force after five seconds. May be called twice."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            for child in self._tree.children(recursive=True):
                child.kill()
            self._process.kill()
            self._process.wait()
