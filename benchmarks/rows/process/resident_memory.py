"""Resident memory of the ready agent, compared with a process that only imports the same modules."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.report.measurement import Figure, Series, at_most, interleave
from benchmarks.servers.processes.timed_start import timed_start

_AGENT: Final = ["-c", "from agent.cli import main; main()", "serve", "--port"]
_OWN_PACKAGES: Final = frozenset({"agent", "graph", "identity", "tools"})
_IMPORTED: Final = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
_MAX_ROUNDS: Final = 2
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
    """Measured when all surfaces respond, before the first chat; `-X importtime` lists the modules."""
    environment, token = bench.agent_environment, bench.access_token()

    def ready(*options: str) -> tuple[float, list[str]]:
        with timed_start([sys.executable, *options, *_AGENT], environment) as start:
            start.seconds_to("GET", "/ready")
            start.seconds_to("GET", "/agent/input_schema", Authorization=f"Bearer {token}")
            return start.server.memory_bytes() / _MIB, _IMPORTED.findall(start.log.read_text())

    traced, imported = ready("-X", "importtime")
    names = [name for name in imported if name.partition(".")[0] not in _OWN_PACKAGES]
    if bench.plan.quick:
        names = names[:100]

    def imports() -> float:
        command = [sys.executable, "-c", _IMPORTING]
        result = subprocess.run(command, input=json.dumps(names), capture_output=True, text=True, check=True)
        return int(result.stdout.split()[-1]) / _MIB

    def agent() -> float:
        return traced if bench.plan.quick else ready()[0]

    rounds = min(bench.plan.rounds, _MAX_ROUNDS)
    resident = interleave(rounds, {"agent": agent, "imports": imports})
    value, floor = (Series(tuple(resident[name])) for name in ("agent", "imports"))
    reference = f"its {len(set(names)):,} imports alone"
    return [Figure("resident memory when ready", "MiB", value, reference, floor, at_most(1.1))]
