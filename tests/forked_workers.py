"""The suite's processes are forked from one that has imported every test and what the tests need.

Each would otherwise import all of it itself: without bytecode, a tenth of the suite's processor time.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from execnet import gateway_io
from execnet.gateway_base import Popen2IO

_IMPORTER = """
import json, sys
sys.path = json.loads(sys.argv[1])
from tests.forked_workers import import_and_fork
import_and_fork(json.loads(sys.argv[2]), sys.argv[3:])
"""

_PROGRAM = "import sys; exec(eval(sys.stdin.readline()), {'__name__': '__main__'})"
"""What execnet's processes do."""

_BEFORE_IMPORTS = ("-W", "--pythonwarnings", "-o", "--override-ini", "-c", "--config-file")


class _ForkedWorker(Popen2IO):
    """The pipes to one process. `importer` forked all of them, and ends after the last one."""

    def __init__(
        self, commands: int, results: int, importer: "subprocess.Popen[bytes]", execmodel: Any
    ) -> None:
        super().__init__(os.fdopen(commands, "wb", 0), os.fdopen(results, "rb", 0), execmodel)
        self._importer = importer

    def wait(self) -> int | None:
        return self._importer.wait()

    def kill(self) -> None:
        """Ends the processes that have not ended by themselves."""
        self._importer.terminate()


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Gives forked processes to xdist. It starts another itself if one has crashed, and all of them if the
    command line says something of warnings, settings or the interpreter, which must count while imports run.
    """
    if any(argument.startswith(_BEFORE_IMPORTS) for argument in config.invocation_params.args):
        return
    if any(not spec.popen or spec.python for spec in specs):
        return
    commands = [os.pipe() for _ in specs]
    results = [os.pipe() for _ in specs]
    streams = [(reading, writing) for (reading, _), (_, writing) in zip(commands, results, strict=True)]
    inherited = [descriptor for both in streams for descriptor in both]
    dated = ["--dated"] if config.getoption("dated") else []
    importer = subprocess.Popen(  # noqa: S603 - our own code
        [
            sys.executable,
            "-u",
            "-c",
            _IMPORTER,
            json.dumps(sys.path),
            json.dumps(streams),
            *dated,
            *config.args,
        ],
        cwd=config.invocation_params.dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=inherited,
    )
    for descriptor in inherited:
        os.close(descriptor)
    waiting = [(writing, reading) for (_, writing), (reading, _) in zip(commands, results, strict=True)]
    start = gateway_io.create_io

    def create_io(spec: Any, execmodel: Any) -> Any:
        if not waiting:
            return start(spec, execmodel)
        writing, reading = waiting.pop(0)
        return _ForkedWorker(writing, reading, importer, execmodel)

    gateway_io.create_io = create_io


def import_and_fork(streams: list[tuple[int, int]], arguments: list[str]) -> None:
    """Forks a process for each pair of streams, whose first line is the program, as execnet sends it.

    They collect the tests again, and report what cannot be imported. After a fault they import all of it
    themselves: a second import in the same process may succeed.
    """
    sys.argv = ["-c"]
    status = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *arguments])
    gc.disable()  # until each process has collected its tests
    gc.freeze()
    workers = []
    for own in streams:
        worker = os.fork()
        if worker == 0:
            _connect(own, [descriptor for both in streams for descriptor in both])
            if status != pytest.ExitCode.OK:
                os.execv(sys.executable, [sys.executable, "-u", "-c", _PROGRAM])  # noqa: S606 - itself
            exec(_PROGRAM)  # noqa: S102 - our own
            return
        workers.append(worker)
    for descriptor in (descriptor for both in streams for descriptor in both):
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the processes, and this one waits for them
    signal.signal(signal.SIGTERM, lambda *_: _kill(workers))
    while workers:
        ended, _ = os.wait()
        workers.remove(ended)


def _kill(workers: list[int]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def _connect(own: tuple[int, int], inherited: list[int]) -> None:
    """Makes the streams of a process its standard input and output."""
    for target, descriptor in enumerate(own):
        os.dup2(descriptor, target)
    for descriptor in inherited:
        os.close(descriptor)
