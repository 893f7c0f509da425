"""The project's programs in processes forked from one that has imported their modules.

A process behaves as if its program had been started two seconds of processor time earlier. What shows the
start itself, or an installation, starts a program.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.forked_modules"])


def fork(command: Sequence[str], environment: Mapping[str, str], folder: Path, output: int) -> BaseProcess:
    """Runs `command`, a script or `python -m module`, in a session of its own; `output` is a descriptor."""
    connection = Connection(os.dup(output), readable=False)
    process = _FORKS.Process(target=_run, args=(list(command), dict(environment), str(folder), connection))
    process.start()
    connection.close()
    return process


def printed_by(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """Runs `command` to its end, and returns what it printed."""
    with tempfile.TemporaryFile() as output:
        fork(command, environment, folder, output.fileno()).join()
        output.seek(0)
        return output.read().decode()


def _run(command: list[str], environment: dict[str, str], folder: str, output: Connection) -> None:
    os.setsid()
    for target in (1, 2):
        os.dup2(output.fileno(), target)
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
