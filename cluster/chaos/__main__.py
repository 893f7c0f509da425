"""`make chaos`: people chat while replicas, workers of Aegra, PostgreSQL and Redis are killed, or hang."""

import argparse
import asyncio
import logging
import signal
import sys
import warnings
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from cluster.chaos.aegra_stage import STRIKES as AEGRA_STRIKES
from cluster.chaos.aegra_stage import aegra_stage
from cluster.chaos.chaos_run import Coverage
from cluster.chaos.part import Part, play
from cluster.chaos.replica_stage import STRIKES as REPLICA_STRIKES
from cluster.chaos.replica_stage import replica_stage
from cluster.chaos.stage import Disturbance
from cluster.chaos.strike_table import PAGE, strike_table
from cluster.cluster import PEOPLE
from cluster.person import Step

_OUT: Final = Console(highlight=False, soft_wrap=True)
_NAMES: Final = PEOPLE[2:]
_AT_REPLICAS: Final = tuple(step for step in Step if step is not Step.QUEUED)
_AT_AEGRA: Final = tuple(step for step in Step if step is not Step.NOT_BEGUN)
PARTS: Final = (
    Part("replicas", replica_stage, Coverage(REPLICA_STRIKES, _AT_REPLICAS[1:-1], 33, 66, 1)),
    Part("aegra", aegra_stage, Coverage(AEGRA_STRIKES, _AT_AEGRA[:-1], 12, 24, 2)),
)


def main() -> int:
    """The exit status: 1 if anything was lost, doubled or leaked."""
    parser = argparse.ArgumentParser(prog="python -m cluster.chaos", description=__doc__)
    parser.add_argument("--only", choices=[part.name for part in PARTS], help="one part [all]")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"of each part, with {len(_NAMES)} chats each [33 and 12, and more until each step is struck]",
    )
    parser.add_argument(
        "--strike",
        action="append",
        choices=[each.name.lower() for each in Disturbance],
        help="one of the disturbances, with --rounds; may be repeated [all]",
    )
    parser.add_argument("--seed", type=int, default=1, help="of all chance [1]")
    parser.add_argument("--verbose", action="store_true", help="print what each person saw")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # all processes end, as at Ctrl-C
    logging.basicConfig(level=logging.ERROR)
    warnings.filterwarnings("ignore", "Reconnecting without", module="cluster")  # by LangGraph's client
    parts = [part for part in PARTS if options.only in (None, part.name)]
    if options.rounds:
        parts = [_look(part, options.rounds, options.strike or ()) for part in parts]
    found = [
        asyncio.run(_played(part, options.seed, verbose=options.verbose, keep=not options.rounds))
        for part in parts
    ]
    return 1 if sum(found) else 0


def _look(part: Part, rounds: int, names: Collection[str]) -> Part:
    """So many rounds, whatever they strike; with the disturbances of these names, if there are any."""
    strikes = tuple(each for each in part.coverage.strikes if not names or each.name.lower() in names)
    return replace(part, coverage=replace(part.coverage, strikes=strikes, rounds=rounds, most=rounds))


async def _played(part: Part, seed: int, *, verbose: bool, keep: bool) -> int:
    """The number of violations. With `keep`, the table of a part without any is written into the page."""

    def report(line: str, *, detail: bool = False) -> None:
        if verbose or not detail:
            _OUT.print(line, markup=False)

    report(f"starting the sandbox, PostgreSQL, Redis and the processes of: {part.name} …")
    played = await play(part, _NAMES, seed, datetime.now(UTC).date(), report)
    table = strike_table(played.rounds, part.coverage.strikes)
    report(f"\n{table}\n{played.tokens} access tokens were sent")
    if keep and played.covered and not played.violations:
        PAGE.write({part.name: table})
        report(f"written to {PAGE.file.name}")
    chats = [run for each in played.rounds for run in each.runs]
    struck = sum(run.struck and run.step is not Step.ENDED for run in chats)
    report(f"{part.name}: {len(chats)} chats, {struck} struck, {played.violations} violations")
    return played.violations


if __name__ == "__main__":
    sys.exit(main())
