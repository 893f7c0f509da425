"""Server processes: start them, wait until they are ready, measure them, stop them."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil

from tests.forked import fork
from tests.loopback import free_port

ROOT: Final = Path(__file__).resolve().parents[1]
StartProcess = Callable[[Sequence[str], Mapping[str, str], Path], psutil.Process]
"""Starts a command with an environment; its output goes to a file."""
_RETRY_SECONDS: Final = 0.002
_MAX_SECONDS: Final = 60.0


def cpu_seconds(parent: psutil.Process) -> float:
    """User and system time of a process and of its running children."""
    total = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


_CLOCK: Final = ("FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_FORCE_MONOTONIC_FIX", "NO_FAKE_STAT")
_INHERITED: Final = ("PATH", "HOME", "LANG", "PYTHONPATH", "LD_PRELOAD", *_CLOCK)
"""Variables of this process that programs get. With those of faketime, all have one time."""


def start_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
    """Starts `command` as a subprocess; the default `StartProcess`."""
    with log.open("wb") as output:
        return psutil.Popen(command, env=dict(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


def fork_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
    """Forks `command` from a process that has imported all modules: faster, and therefore not measured."""
    with log.open("wb") as output:
        return psutil.Process(fork(command, environment, ROOT, output.fileno()).pid)


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
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._process = start(command, {**inherited, **environment}, log)

    @property
    def pid(self) -> int:
        """Process id of the parent; workers are its children."""
        return int(self._process.pid)

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Raises `RuntimeError` with the end of the log if the server is not ready in time."""
        deadline = time.monotonic() + seconds
        with httpx.Client(base_url=self.url, trust_env=False) as http:
            while time.monotonic() < deadline and self._is_running():
                with contextlib.suppress(httpx.HTTPError):
                    if http.get(self._path).status_code == 200:
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
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                for process in [*self._process.children(recursive=True), self._process]:
                    process.kill()
            self._process.wait()

    def _is_running(self) -> bool:
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@contextmanager
def row_server(name: str, start: StartProcess) -> Iterator[ServerProcess]:
    """Runs `python -m benchmarks.servers.<name> PORT` until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"benchmarks.servers.{name}", str(port)]
        server = ServerProcess(command, {}, port, Path(folder) / f"{name}.log", start=start)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


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
def timed_start(
    command: Sequence[str], environment: Mapping[str, str], start: StartProcess = start_process
) -> Iterator[TimedStart]:
    """Runs `command` with a free port as its last argument until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began = time.perf_counter()
        server = ServerProcess([*command, str(port)], environment, port, log, start=start)
        try:
            yield TimedStart(server, log, began)
        finally:
            server.stop()
