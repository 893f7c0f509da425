"""One server in a process of its own: started, awaited, measured, stopped."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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


Start = Callable[[Sequence[str], Mapping[str, str], Path], psutil.Process]
"""Starts a command with an environment; its output goes to a file."""


def own_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
    """The usual way."""
    with log.open("wb") as output:
        return psutil.Popen(command, env=dict(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


class ServerProcess:
    """`command` must come to answer GET `path` on `port` with 200. Its output goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        log: Path,
        path: str = "/health",
        start: Start = own_process,
    ) -> None:
        self.port: Final = port
        self.url: Final = f"http://127.0.0.1:{port}"
        self._log = log
        self._path = path
        self._process = start(command, environment, log)

    @property
    def pid(self) -> int:
        """The first process; workers are its children."""
        return self._process.pid

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Raises `RuntimeError` with the end of the log if it does not come up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._lives():
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
        for process in [self._process, *self._process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Resident memory of all its processes; what they share counts for each."""
        processes = [self._process, *self._process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    def stop(self) -> None:
        """Ends it, by force after five seconds. May be called twice."""
        if not self._lives():
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except psutil.TimeoutExpired:
            for process in [*self._process.children(recursive=True), self._process]:
                process.kill()
            self._process.wait()

    def _lives(self) -> bool:
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
