"""Micro-benchmarks by pyperf: `python -m benchmarks.micro ROW` measures the cases of one row.

A row's module has `CASES`: name → a factory of a function that does the work a number of times and tells the
seconds it took. `micro` runs a row round by round (A B A B …), each case in a process of its own.
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

from benchmarks.measurement import Plan, Series

Timed = Callable[[int], float]
"""Does the work so many times; the seconds that took."""
Cases = Mapping[str, Callable[[], Timed]]

_ROOT: Final = Path(__file__).resolve().parents[1]
_MOST_ROUNDS: Final = 3
"""Most of a round is the start of its processes, and pyperf's values differ little."""


def timed(work: Callable[[], object]) -> Timed:
    """Of a function."""

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
    """Of a coroutine function, all within one event loop."""
    runs_in = loop or asyncio.new_event_loop()

    async def repeat(loops: int) -> float:
        repetitions = range(loops)
        began = time.perf_counter()
        for _ in repetitions:
            await work()
        return time.perf_counter() - began

    return lambda loops: runs_in.run_until_complete(repeat(loops))


def micro(row: str, plan: Plan) -> dict[str, Series]:
    """By case: microseconds of one repetition, a value for each round."""
    values: dict[str, list[float]] = {}
    options = ["--debug-single-value"] if plan.quick else ["-p1", "-n5", "-w1", "--min-time=0.05"]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(min(plan.rounds, _MOST_ROUNDS)):
            file = Path(folder) / f"{number}.json"
            command = [sys.executable, "-m", "benchmarks.micro", row, *options, "--quiet", "-o", str(file)]
            subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
            for benchmark in pyperf.BenchmarkSuite.load(str(file)):
                values.setdefault(benchmark.get_name(), []).append(benchmark.median() * 1e6)
    return {name: Series(tuple(rounds)) for name, rounds in values.items()}


def main() -> None:
    """Measures the row that is named, in the manner of pyperf's own command line."""
    runner = pyperf.Runner(
        program_args=("-m", "benchmarks.micro"),
        add_cmdline_args=lambda command, options: command.append(options.row),
    )
    runner.argparser.add_argument("row", help="a module of `benchmarks.rows` that has CASES")
    row = runner.parse_args().row
    cases: Cases = importlib.import_module(f"benchmarks.rows.{row}").CASES
    for name, factory in cases.items():
        made = cache(factory)  # made in the process that runs it, and nowhere else
        runner.bench_time_func(name, lambda loops, made=made: made()(loops))


if __name__ == "__main__":
    main()
