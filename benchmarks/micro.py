"""Micro-benchmarks by pyperf: `python -m benchmarks.micro ROW` measures the cases of one row.

A module of rows has `CASES`: row → name → a factory of a function that repeats the work and returns the
seconds taken. `micro` runs a row round by round (A B A B …), each case in its own process. In quick mode it
runs each case once, in this process.
"""

import asyncio
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pyperf

from benchmarks.report import Plan, Series, series
from benchmarks.rows import MODULES

Timed = Callable[[int], float]
"""Repeats the work the given number of times and returns the seconds taken."""
Cases = Mapping[str, Callable[[], Timed]]
RowCases = Mapping[str, Cases]

_ROOT: Final = Path(__file__).resolve().parents[1]
_MAX_ROUNDS: Final = 3
"""More rounds add little: starting processes takes most of a round, and pyperf's values vary little."""


def timed(work: Callable[[], object]) -> Timed:
    """Times a function."""

    def run(loops: int) -> float:
        repetitions = range(loops)
        began = time.perf_counter()
        for _ in repetitions:
            work()
        return time.perf_counter() - began

    return run


def timed_async(
    work: Callable[[], Awaitable[object]], loop: asyncio.AbstractEventLoop | None = None
) -> Timed:
    """Times a coroutine function, all calls in one event loop."""
    event_loop = loop or asyncio.new_event_loop()

    async def repeat(loops: int) -> float:
        repetitions = range(loops)
        began = time.perf_counter()
        for _ in repetitions:
            await work()
        return time.perf_counter() - began

    return lambda loops: event_loop.run_until_complete(repeat(loops))


def micro(row: str, plan: Plan) -> dict[str, Series]:
    """Microseconds of one repetition by case, a value for each round."""
    if plan.quick:
        return {name: series(factory()(1) * 1e6) for name, factory in _cases(row).items()}
    values: dict[str, list[float]] = {}
    options = ["-p1", "-n5", "-w1", "--min-time=0.05"]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(min(plan.rounds, _MAX_ROUNDS)):
            file = Path(folder) / f"{number}.json"
            module = [sys.executable, "-m", "benchmarks.micro"]
            command = [*module, row, *options, "--quiet", "-o", str(file)]
            subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
            for benchmark in pyperf.BenchmarkSuite.load(str(file)):
                values.setdefault(benchmark.get_name(), []).append(benchmark.median() * 1e6)
    return {name: Series(tuple(rounds)) for name, rounds in values.items()}


def _cases(row: str) -> Cases:
    cases: Cases = importlib.import_module(MODULES[row]).CASES[row]
    return cases


def main() -> None:
    """Measures the named row; the other options are pyperf's."""
    runner = pyperf.Runner(
        program_args=("-m", "benchmarks.micro"),
        add_cmdline_args=lambda command, options: command.append(options.row),
    )
    runner.argparser.add_argument("row", help="a row whose module has CASES")
    row = runner.parse_args().row
    for name, factory in _cases(row).items():
        cached = cache(factory)  # created only in the process that runs the case
        runner.bench_time_func(name, lambda loops, cached=cached: cached()(loops))


if __name__ == "__main__":
    main()
