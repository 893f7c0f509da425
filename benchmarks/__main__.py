"""`python -m benchmarks [--quick] [--to FOLDER] [row …]` writes `table.md` and `results.json`.

A full run of all rows also replaces `benchmarks/README.md`, if every row could be measured.
"""

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.processes import ROOT
from benchmarks.report import FULL, HEADER, QUICK, Figure, as_json, machine, markdown, row_lines
from benchmarks.rows import MODULES

NAMES = list(MODULES)
DOCUMENTED_TABLE = ROOT / "benchmarks" / "README.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if a row could not be measured; a missed target does not count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The measurements.")
    parser.add_argument("rows", nargs="*", metavar="row", choices=[*NAMES, []], help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="only show that they run; measures nothing")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "results", metavar="FOLDER")
    options = parser.parse_args(arguments)
    environment = machine()
    results: dict[str, Sequence[Figure] | str] = {}
    print(*(f"{name}: {value}" for name, value in environment.items()), "", HEADER, sep="\n", flush=True)
    with Bench(QUICK if options.quick else FULL) as bench:
        for name in options.rows or NAMES:
            started = time.monotonic()
            results[name] = _measure(name, bench)
            print(*row_lines(name, results[name]), sep="\n", flush=True)
            print(f"{name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    options.to.mkdir(parents=True, exist_ok=True)
    table = markdown(environment, results)
    (options.to / "table.md").write_text(table)
    (options.to / "results.json").write_text(json.dumps(as_json(environment, results), indent=1) + "\n")
    failed = any(isinstance(result, str) for result in results.values())
    if replaces_documented_table(options.rows, quick=options.quick) and not failed:
        DOCUMENTED_TABLE.write_text(table)
    return failed


def replaces_documented_table(selected: Sequence[str], *, quick: bool) -> bool:
    """Whether a run with these options measures everything that `benchmarks/README.md` contains."""
    return not selected and not quick


def _measure(name: str, bench: Bench) -> Sequence[Figure] | str:
    try:
        return list(getattr(importlib.import_module(MODULES[name]), name)(bench))
    except Exception as error:  # noqa: BLE001 - the other rows can still be measured
        traceback.print_exc()
        return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
