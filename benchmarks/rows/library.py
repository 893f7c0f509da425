"""The library in an application of one's own: what importing it costs beside LangGraph itself."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.bench import Bench
from benchmarks.processes import ROOT
from benchmarks.report import Figure, interleave, series_of

_FLOOR: Final = "import langgraph.graph, langchain_core.tools"
_LIBRARY: Final = f"{_FLOOR}\nfrom idaas_agent import Identity\nIdentity.from_env()"
_MEASURED: Final = """
import os, sys, time
began = time.process_time()
{statements}
took = time.process_time() - began
with open("/proc/self/statm") as statm:
    pages = int(statm.read().split()[1])
print(len(sys.modules), took, pages * os.sysconf("SC_PAGE_SIZE"))
"""
_MIB: Final = 2**20


class _Imported(NamedTuple):
    modules: int
    seconds: float
    resident_bytes: int


def library(bench: Bench) -> Sequence[Figure]:
    """A fresh interpreter until `Identity.from_env()` has returned; the floor imports LangGraph's alone."""
    environment = bench.agent_environment
    runs = interleave(
        bench.plan.rounds,
        {
            "floor": lambda: _imported(_FLOOR, environment),
            "library": lambda: _imported(_LIBRARY, environment),
        },
    )
    figures = []
    for name, unit, of in (
        ("modules with Identity.from_env()", "", lambda run: float(run.modules)),
        ("processor time until Identity.from_env() has returned", "ms", lambda run: run.seconds * 1000),
        ("resident memory with Identity.from_env()", "MiB", lambda run: run.resident_bytes / _MIB),
    ):
        value, floor = series_of(runs["library"], of), series_of(runs["floor"], of)
        figures.append(Figure(name, unit, value, "langgraph.graph and langchain_core.tools alone", floor))
    return figures


def _imported(statements: str, environment: Mapping[str, str]) -> _Imported:
    command = [sys.executable, "-c", _MEASURED.format(statements=statements)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    modules, seconds, resident = done.stdout.split()
    return _Imported(int(modules), float(seconds), int(resident))
