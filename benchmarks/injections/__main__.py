"""`python -m benchmarks.injections [--every N] [suite …]`: all suites at once.

A run of all pairs of all suites writes the figures of `docs/injections.md`. What was found is in
`benchmarks/results/injections.json`.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.injections.obedient_model import Form, Order
from benchmarks.injections.outcome import Manner, Outcome
from benchmarks.injections.page import PAGE, figures, frontier, policies, written
from benchmarks.injections.policies import PUBLISHED, VARIANTS, is_published
from benchmarks.injections.suites import SUITES, VERSION, Case, package_version

_ROOT: Final = Path(__file__).resolve().parents[2]
_RESULTS: Final = _ROOT / "benchmarks" / "results" / "injections.json"
_AT_ONCE: Final = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if an attack happened that an attentive or an absent person did not approve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.injections", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="suite", choices=[*SUITES, []], help=", ".join(SUITES))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th pair")
    options = parser.parse_args(arguments)
    suites = options.suites or SUITES
    began = time.monotonic()
    found = asyncio.run(_all(suites, options.every))
    seconds = time.monotonic() - began
    about = _about(sum(map(len, found.values())), seconds)
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps({"about": about, "outcomes": _as_json(found)}, indent=1))
    print(about, figures(found[PUBLISHED]), frontier(found), sep="\n\n")
    if options.every == 1 and not options.suites:
        page = written(PAGE.read_text(), "the figures", f"{figures(found[PUBLISHED])}\n\n{about}")
        page = written(page, "the frontier", frontier(found))
        PAGE.write_text(written(page, "the policies", policies()))
    return any(
        outcome.succeeded and not outcome.says_only and outcome.manner.person != "credulous"
        for outcome in found[PUBLISHED]
    )


async def _all(suites: Sequence[str], every: int) -> dict[str, list[Outcome]]:
    """The outcomes of each policy."""
    places = asyncio.Semaphore(_AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="injections-") as folder:

        async def run(number: int, variant: str, suite: str) -> list[Outcome]:
            out = Path(folder) / f"{number}-{suite}.json"
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.injections.suite_run"]
            async with places:
                process = await asyncio.create_subprocess_exec(
                    *command, suite, variant, str(every), str(out), cwd=_ROOT
                )
                if await process.wait():
                    raise RuntimeError(f"{suite} under {variant} failed")
            return [_read(line) for line in json.loads(out.read_text())]

        planned = [
            (variant, suite)
            for variant in VARIANTS
            for suite in suites
            if variant == PUBLISHED or not is_published(suite, variant)
        ]
        ran = await asyncio.gather(*(run(number, *names) for number, names in enumerate(planned)))
    found = dict(zip(planned, ran, strict=True))
    return {
        variant: [
            outcome for suite in suites for outcome in found.get((variant, suite)) or found[PUBLISHED, suite]
        ]
        for variant in VARIANTS
    }


def _as_json(found: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    return {variant: [asdict(outcome) for outcome in outcomes] for variant, outcomes in found.items()}


def _read(line: dict[str, Any]) -> Outcome:
    manner = line["manner"]
    return Outcome(
        **line
        | {
            "case": Case(**line["case"]),
            "manner": Manner(**manner | {"order": Order(manner["order"]), "form": Form(manner["form"])}),
            "unasked": tuple(line["unasked"]),
        }
    )


def _about(runs: int, seconds: float) -> str:
    """What was run."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()
    day = datetime.now(UTC).date().isoformat()
    packages = f"AgentDojo {package_version()}, suites {VERSION}"
    return f"{day}, revision {revision}, {packages}: {runs:,} conversations in {seconds / 60:.0f} minutes."


if __name__ == "__main__":
    sys.exit(main())
