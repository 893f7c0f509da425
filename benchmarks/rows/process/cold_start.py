"""Time from the start of the process to its first responses."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.report.measurement import Figure, at_most, interleave, series_of
from benchmarks.servers.processes.timed_start import timed_start

_IMPORTS: Final = "import fastapi, langgraph.graph; print(flush=True)"
_BARE: Final = ["-m", "uvicorn", "benchmarks.peers.bare:app", "--factory", "--log-level", "warning", "--port"]
_MAX_ROUNDS: Final = 4


def measure(bench: Bench) -> Sequence[Figure]:
    """The floor is the import of the two libraries that every such agent needs."""
    environment, token = bench.agent_environment, bench.access_token()
    command = [str(Path(sys.executable).with_name("idaas-agent")), "serve", "--port"]

    def agent() -> tuple[float, float]:
        with timed_start(command, environment) as start:
            healthy = start.seconds_to("GET", "/health")
            return healthy, start.seconds_to("POST", PATH, chat(), Authorization=f"Bearer {token}")

    def bare() -> tuple[float, float]:
        with timed_start([sys.executable, *_BARE], environment | {"LLM_API_KEY": "sk-static"}) as start:
            return start.seconds_to("GET", "/health"), start.seconds_to("POST", "/chat/completions", chat())

    rounds = min(bench.plan.rounds, _MAX_ROUNDS)
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
