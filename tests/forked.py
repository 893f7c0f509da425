"""The project's programs in processes forked from one that has imported their modules.

A process behaves as if its program had been started two seconds of processor time earlier. What shows the
start itself, or an installation, starts a program.
"""

import fcntl
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.forked_modules"])


def fork(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    output: int,
    *,
    is_terminal: bool = False,
) -> BaseProcess:
    """Runs `command`, a script or `python -m module`, in a session of its own; `output` is a descriptor, a
    terminal for all of its streams if `is_terminal`.
    """
    connection = Connection(os.dup(output), readable=False)
    given = (list(command), dict(environment), str(folder), connection, is_terminal)
    process = _FORKS.Process(target=_run, args=given)
    process.start()
    connection.close()
    return process


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int | None, str]:
    """Runs `command` to its end: its exit status, and what it printed."""
    with tempfile.TemporaryFile() as output:
        process = fork(command, environment, folder, output.fileno())
        process.join()
        output.seek(0)
        return process.exitcode, output.read().decode()


def _run(
    command: list[str], environment: dict[str, str], folder: str, output: Connection, is_terminal: bool
) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    for target in (1, 2):
        os.dup2(output.fileno(), target)
    if is_terminal:
        _control(output.fileno())
    output.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    match command:
        case [_, "-m", module, *arguments]:
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *arguments]:
            sys.argv = [script, *arguments]
            runpy.run_path(script, run_name="__main__")


def _control(terminal: int) -> None:
    """Makes `terminal` this process's own, so that Ctrl-C is no character there."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.dup2(terminal, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - the same
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - the same
