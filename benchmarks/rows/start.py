"""The start of a process: the time to its first responses, and its memory when ready."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.load import PATH, chat
from benchmarks.processes import timed_start
from benchmarks.report import Figure, Series, at_most, interleave, series_of

_IMPORTS: Final = "import fastapi, langgraph.graph; print(flush=True)"
_BARE: Final = ["-m", "uvicorn", "benchmarks.peers.bare:app", "--factory", "--log-level", "warning", "--port"]
_AGENT: Final = ["-c", "from agent.cli import main; main()", "serve", "--port"]
_OWN_PACKAGES: Final = frozenset({"agent", "graph", "identity", "tools"})
_IMPORTED: Final = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
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


def cold_start(bench: Bench) -> Sequence[Figure]:
    """Time from the start of the process to its first responses.

    The floor is the import of the two libraries that every such agent needs.
    """
    environment, token = bench.agent_environment, bench.access_token()
    command = [str(Path(sys.executable).with_name("idaas-agent")), "serve", "--port"]

    def agent() -> tuple[float, float]:
        with timed_start(command, environment, bench.start) as start:
            healthy = start.seconds_to("GET", "/health")
            return healthy, start.seconds_to("POST", PATH, chat(), Authorization=f"Bearer {token}")

    def bare() -> tuple[float, float]:
        static = environment | {"LLM_API_KEY": "sk-static"}
        with timed_start([sys.executable, *_BARE], static, bench.start) as start:
            return start.seconds_to("GET", "/health"), start.seconds_to("POST", "/chat/completions", chat())

    rounds = min(bench.plan.rounds, 4)
    times = interleave(rounds, {"imports": _import_seconds, "agent": agent, "bare": bare})
    imports = series_of(times["imports"], lambda seconds: seconds[0])
    health = series_of(times["agent"], lambda seconds: seconds[0])
    first_chat = series_of(times["agent"], lambda seconds: seconds[1])
    bare_chat = series_of(times["bare"], lambda seconds: seconds[1])
    floor = "import of fastapi and langgraph.graph"
    return [
        Figure("start to the first /health", "s", health, floor, imports, at_most(1.3)),
        Figure("start to the first chat", "s", first_chat, floor, imports, at_most(2.0)),
        Figure("start to the first chat", "s", first_chat, "bare", bare_chat, at_most(1.0)),
    ]


def _import_seconds() -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", _IMPORTS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        took = time.perf_counter() - began
    return took, took


def resident_memory(bench: Bench) -> Sequence[Figure]:
    """Resident memory of the ready agent, compared with a process that only imports the same modules.

    Measured when all surfaces respond, before the first chat; `-X importtime` lists the modules.
    """
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

    rounds = min(bench.plan.rounds, 2)
    resident = interleave(rounds, {"agent": agent, "imports": imports})
    value, floor = (Series(tuple(resident[name])) for name in ("agent", "imports"))
    reference = f"its {len(set(names)):,} imports alone"
    return [Figure("resident memory when ready", "MiB", value, reference, floor, at_most(1.1))]
