"""A server process: start it, wait until it is ready, measure it, stop it."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import psutil

ROOT: Final = Path(__file__).resolve().parents[3]


def cpu_seconds(parent: psutil.Process) -> float:
    """User and system time of a process and of its running children."""
    total = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


StartProcess = Callable[[Sequence[str], Mapping[str, str], Path], psutil.Process]
"""Starts a command with an environment; its output goes to a file."""


def start_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
    """Starts `command` as a subprocess; the default `StartProcess`."""
    with log.open("wb") as output:
        return psutil.Popen(command, env=dict(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


class ServerProcess:
    """Runs `command`, which is ready when GET `path` on `port` returns 200. Its output goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        log: Path,
        path: str = "/health",
        start: StartProcess = start_process,
    ) -> None:
        self.port: Final = port
        self.url: Final = f"http://127.0.0.1:{port}"
        self._log = log
        self._path = path
        self._process = start(command, environment, log)

    @property
    def pid(self) -> int:
        """Process id of the parent; workers are its children."""
        return int(self._process.pid)

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Raises `RuntimeError` with the end of the log if the server is not ready in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._is_running():
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + self._path, trust_env=False).status_code == 200:
                    return
            time.sleep(0.02)
        self.stop()
        fault = f"{self._log.stem} did not start: {self._log.read_text()[-2000:]}"
        raise RuntimeError(fault)

    def cpu_seconds(self) -> float:
        """User and system time of all its running processes."""
        return cpu_seconds(self._process)

    def memory_bytes(self) -> int:
        """Resident memory of all its processes; shared memory counts for each."""
        processes = [self._process, *self._process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    def stop(self) -> None:
        """Terminates the server, and kills it after five seconds. May be called twice."""
        if not self._is_running():
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except psutil.TimeoutExpired:
            for process in [*self._process.children(recursive=True), self._process]:
                process.kill()
            self._process.wait()

    def _is_running(self) -> bool:
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
