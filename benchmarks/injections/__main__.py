"""`python -m benchmarks.injections [--every N] [--continue] [suite …]`: all suites, some processes at once.

A run of all pairs of all suites writes the tables of `docs/injections.md`. Each outcome is kept in
`benchmarks/results/injections/` as soon as it is there: with `--continue`, a measurement that was ended goes
on where it was, if it is of the same revision.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.injections.kept_outcomes import KeptOutcomes
from benchmarks.injections.outcome import Outcome
from benchmarks.injections.page import PAGE, figures, frontier
from benchmarks.injections.policies import PUBLISHED, VARIANTS, is_published
from benchmarks.injections.suites import SUITES, VERSION, package_version

_ROOT: Final = Path(__file__).resolve().parents[2]
_RESULTS: Final = _ROOT / "benchmarks" / "results" / "injections"
_ABOUT: Final = _RESULTS / "about.json"
"""What is measured, and the seconds that it has taken so far."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if an attack happened that an attentive or an absent person did not approve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.injections", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="suite", choices=[*SUITES, []], help=", ".join(SUITES))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th pair")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="agents at once (default: 2)")
    parser.add_argument("--continue", dest="goes_on", action="store_true", help="go on where it was ended")
    options = parser.parse_args(arguments)
    suites = options.suites or SUITES
    measured = {
        "revision": _revision(),
        "package": package_version(),
        "suites": [*suites],
        "every": options.every,
    }
    if options.goes_on and (difference := _difference(measured)):
        parser.error(f"nothing to go on with: {difference}")
    if not options.goes_on:
        shutil.rmtree(_RESULTS, ignore_errors=True)
        _write_about(measured, 0.0)
    began = time.monotonic()
    earlier = _read_about()["seconds"]
    try:
        found = asyncio.run(_all(suites, options.every, options.processes))
    finally:
        seconds = earlier + time.monotonic() - began
        _write_about(measured, seconds)
    about = _about(measured, _count(found), seconds)
    print(about, figures(found[PUBLISHED]), frontier(found), sep="\n\n")
    if options.every == 1 and not options.suites:
        tables = {"the figures": f"{figures(found[PUBLISHED])}\n\n{about}", "the frontier": frontier(found)}
        PAGE.write(tables)
    return any(
        outcome.succeeded and not outcome.says_only and outcome.manner.person != "credulous"
        for outcome in found[PUBLISHED]
    )


async def _all(suites: Sequence[str], every: int, processes: int) -> dict[str, list[Outcome]]:
    """The outcomes of each policy."""
    places = asyncio.Semaphore(processes)

    async def run(variant: str, suite: str) -> list[Outcome]:
        out = _RESULTS / f"{[*VARIANTS].index(variant)}-{suite}.jsonl"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.injections.suite_run"]
        async with places:
            process = await asyncio.create_subprocess_exec(
                *command, suite, variant, str(every), str(out), cwd=_ROOT
            )
            if await process.wait():
                raise RuntimeError(f"{suite} under {variant} failed")
        return KeptOutcomes(out).all()

    planned = [
        (variant, suite)
        for variant in VARIANTS
        for suite in suites
        if variant == PUBLISHED or not is_published(suite, variant)
    ]
    ran = await asyncio.gather(*(run(*names) for names in planned))
    found = dict(zip(planned, ran, strict=True))
    return {
        variant: [
            outcome for suite in suites for outcome in found.get((variant, suite)) or found[PUBLISHED, suite]
        ]
        for variant in VARIANTS
    }


def _count(found: Mapping[str, Sequence[Outcome]]) -> int:
    """How many runs were made: policies share those of the suites in which they are the same."""
    return len({id(outcome) for outcomes in found.values() for outcome in outcomes})


def _difference(measured: Mapping[str, Any]) -> str:
    """Why what is kept is not of this measurement; empty if it is."""
    if not _ABOUT.exists():
        return "no measurement was begun"
    kept = _read_about()
    return ", ".join(
        f"its {name} was {kept.get(name)}" for name, value in measured.items() if kept.get(name) != value
    )


def _read_about() -> dict[str, Any]:
    about: dict[str, Any] = json.loads(_ABOUT.read_text())
    return about


def _write_about(measured: Mapping[str, Any], seconds: float) -> None:
    _RESULTS.mkdir(parents=True, exist_ok=True)
    _ABOUT.write_text(json.dumps({**measured, "seconds": seconds}))


def _revision() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _about(measured: Mapping[str, Any], runs: int, seconds: float) -> str:
    """What was run."""
    day = datetime.now(UTC).date().isoformat()
    packages = f"AgentDojo {measured['package']}, suites {VERSION}"
    revision = f"revision {measured['revision']}"
    return f"{day}, {revision}, {packages}: {runs:,} conversations in {seconds / 60:.0f} minutes."


if __name__ == "__main__":
    sys.exit(main())
