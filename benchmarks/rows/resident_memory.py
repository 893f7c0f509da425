"""The memory of the agent once it is ready, beside that of a process that only imports what it imports."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.measurement import Figure, Series, at_most, in_turns
from benchmarks.servers.start import started

_AGENT: Final = ["-c", "from agent.cli import main; main()", "serve", "--port"]
_OURS: Final = frozenset({"agent", "graph", "identity", "tools"})
_IMPORTED: Final = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
_MOST_ROUNDS: Final = 2
_MIB: Final = 2**20

_IMPORTING: Final = """
import contextlib, importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in json.load(sys.stdin):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
import psutil
print(psutil.Process().memory_info().rss)
"""


def measure(bench: Bench) -> Sequence[Figure]:
    """When all surfaces answer, before the first chat. A start that tells its imports says what they are."""
    environment, token = bench.agent_environment, bench.access_token()

    def ready(*options: str) -> tuple[float, list[str]]:
        with started([sys.executable, *options, *_AGENT], environment) as start:
            start.seconds_to("GET", "/ready")
            start.seconds_to("GET", "/agent/input_schema", Authorization=f"Bearer {token}")
            return start.server.memory_bytes() / _MIB, _IMPORTED.findall(start.log.read_text())

    telling, imported = ready("-X", "importtime")
    names = [name for name in imported if name.partition(".")[0] not in _OURS]

    def imports() -> float:
        command = [sys.executable, "-c", _IMPORTING]
        told = subprocess.run(command, input=json.dumps(names), capture_output=True, text=True, check=True)
        return int(told.stdout.split()[-1]) / _MIB

    def agent() -> float:
        return telling if bench.plan.quick else ready()[0]

    rounds = min(bench.plan.rounds, _MOST_ROUNDS)
    resident = in_turns(rounds, {"agent": agent, "imports": imports})
    ours, floor = (Series(tuple(resident[name])) for name in ("agent", "imports"))
    beside = f"its {len(set(names)):,} imports alone"
    return [Figure("resident memory when ready", "MiB", ours, beside, floor, at_most(1.1))]
