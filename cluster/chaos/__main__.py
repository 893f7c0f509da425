"""`make chaos`: rounds of people who chat while replicas, PostgreSQL and Redis are killed and restarted."""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle
from typing import Final

from rich.console import Console

from cluster.chaos.chaos_round import ChaosRounds
from cluster.chaos.chaos_run import ChaosRound
from cluster.chaos.disturbance import Disturbance
from cluster.chaos.invariants import violations
from cluster.chaos.leaks import found_leaks, left_over
from cluster.chaos.step_table import PAGE, step_table, written
from cluster.cluster import PEOPLE, Cluster, cluster
from sandbox.faults.faults import Fault

_OUT: Final = Console(highlight=False, soft_wrap=True)
_NAMES: Final = PEOPLE[2:]
_SLOW: Final = {"idaas.token": 0.3, "developer_api": 0.3, "amap": 0.6, "function_compute": 0.8}
"""Seconds that a service takes for each request."""
_VARIABLES: Final = {
    "AUDIT_REQUIRED": "true",  # else a killed process loses the records of its last moment
    "CONVERSATIONS_KEY_FILE": "",  # in clear, so that the search for leaks can read them
}
_STRUCK: Final = 0.8
"""The part of a round in which the strike may be; afterwards most chats have ended."""
_WHOLE: Final = 25
"""Rounds from which the table of the documentation is made."""


def main() -> int:
    """The exit status: 1 if anything was lost, doubled or leaked."""
    parser = argparse.ArgumentParser(prog="python -m cluster.chaos", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=_WHOLE, help=f"with {len(_NAMES)} chats each [{_WHOLE}]"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all chance [1]")
    parser.add_argument("--verbose", action="store_true", help="print what each person saw")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    return asyncio.run(_run(options.rounds, options.seed, verbose=options.verbose))


async def _run(number: int, seed: int, *, verbose: bool) -> int:
    _OUT.print("starting the sandbox, PostgreSQL, Redis and two replicas …")
    async with cluster(variables=_VARIABLES) as running:
        _slow_down(running)
        rounds = ChaosRounds(running, _NAMES, seed, datetime.now(UTC).date())
        played, found = await _play(rounds, number, verbose=verbose)
        asked = played[0].runs[0].asked if played else ""
        at_the_end = await asyncio.to_thread(found_leaks, running, rounds.tokens, asked)
        at_the_end += await asyncio.to_thread(left_over, running.postgres)
        for each in at_the_end:
            _OUT.print(each, markup=False)
        found += len(at_the_end)
    table = step_table(played)
    _OUT.print(f"\n{table}\n{len(rounds.tokens)} access tokens were sent", markup=False)
    if number >= _WHOLE and not found:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")
        _OUT.print(f"written to {PAGE.name}")
    _OUT.print(f"{sum(len(each.runs) for each in played)} disturbed runs, {found} violations")
    return 1 if found else 0


async def _play(rounds: ChaosRounds, number: int, *, verbose: bool) -> tuple[Sequence[ChaosRound], int]:
    """The rounds, and the number of violations. An undisturbed one is first, and shows how long one takes."""
    played, found, width = [], 0, 1.0
    disturbances = cycle(Disturbance)
    for each in range(number + 1):
        begun = time.monotonic()
        result = await rounds.play(each, next(disturbances) if each else None, width)
        took = time.monotonic() - begun
        if each:
            played.append(result)
        else:
            width = took * _STRUCK
        wrong = violations(result)
        found += len(wrong)
        _OUT.print(_line(result, took), markup=False)
        for run in result.runs if verbose else ():
            _OUT.print(f"  {run.person}: {'; '.join(run.seen)}", markup=False)
        for violation in wrong:
            _OUT.print(f"  seed {result.seed}: {violation}", markup=False)
    return played, found


def _line(result: ChaosRound, took: float) -> str:
    if result.disturbance is None:
        return f"undisturbed: {took:.1f} s"
    steps = ", ".join(f"{run.person} {run.step}" for run in result.runs)
    return f"{result.number}. {result.disturbance} after {result.struck_after:.1f} s ({steps}): {took:.1f} s"


def _slow_down(running: Cluster) -> None:
    """Gives each step of a run a width."""
    cloud = running.sandbox.cloud
    cloud.settings.model_first_token_delay, cloud.settings.model_token_delay = 0.4, 0.015
    for service, seconds in _SLOW.items():
        cloud.faults.set(service, Fault(latency=seconds))


if __name__ == "__main__":
    sys.exit(main())
