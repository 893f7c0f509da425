"""For the quick mode: servers are forked from one process that has imported all modules.

    python -m benchmarks.fork_server

reads a line of JSON for each server, `{"command", "environment", "log"}`, and prints its process id. A forked
server behaves as usual but starts faster, so it is not used for measurements.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

_MODULES: Final = (
    "agent.api.app",
    "agent.commands.command_line",
    "agent.commands.serve",
    "agent.api.langserve.routes",
    "benchmarks.peers.bare_langserve",
    "benchmarks.peers.demo",
    "benchmarks.peers.same_graph",
    "benchmarks.servers.instant_agent",
    "benchmarks.servers.slow_model",
    "sandbox.amap",
    "sandbox.control",
    "sandbox.developer_api",
    "sandbox.function_compute",
    "sandbox.idaas",
    "sandbox.model_studio",
    "sandbox.server.server",
    "uvicorn.main",
    "uvloop",
)


class ForkServer:
    """The parent process of the forked servers."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fork_server"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
        """Forks a server that runs `command`."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"command": list(command), "environment": dict(environment), "log": str(log)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return psutil.Process(int(self._process.stdout.readline()))

    def close(self) -> None:
        """Ends the parent process; servers must be stopped before."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Forks servers until the end of the input."""
    for name in _MODULES:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps children that end
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _run_as(request["command"], request["environment"], request["log"])
        print(child, flush=True)


def _run_as(command: list[str], environment: dict[str, str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    try:
        match command:
            case [_, "-m", module, *arguments]:
                sys.argv = [module, *arguments]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            case [script, *arguments]:
                sys.argv = [script, *arguments]
                runpy.run_path(script, run_name="__main__")
    except SystemExit:
        pass
    finally:
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
