"""One part of `make chaos`: all rounds on one stage, until each step has been struck often enough."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from cluster.chaos.chaos_round import ChaosRounds
from cluster.chaos.chaos_run import ChaosRound, Coverage
from cluster.chaos.invariants import found_leaks, violations
from cluster.chaos.stage import Stage, after, at
from sandbox.faults.faults import Fault
from sandbox.server.server import RunningSandbox

_SLOW: Final = {"idaas.token": 0.3, "developer_api": 0.3, "amap": 0.6, "function_compute": 0.8}
"""Seconds that a service takes for each request."""
_LATER: Final = 0.3
"""Seconds at most between a step's begin and the strike that aims at it."""


class SearchedStage(Stage, Protocol):
    """A stage, and what can be searched when all rounds have been played."""

    def left_over(self) -> list[str]:
        """What is stored as going on, although everybody has their answer."""
        ...

    def stored(self) -> Iterator[tuple[str, str]]:
        """All that outlasts a run, by its place."""
        ...

    def secrets(self) -> dict[str, str]:
        """Secrets of the processes by name, besides those of the sandbox."""
        ...


@dataclass(frozen=True)
class Part:
    """What is played."""

    name: str
    stage: Callable[[], AbstractAsyncContextManager[SearchedStage]]
    coverage: Coverage
    """Each strike aims at the step that it has met least."""


@dataclass(frozen=True)
class Played:
    """The result of a part."""

    rounds: Sequence[ChaosRound]
    violations: int
    covered: bool
    """Each step was struck often enough."""
    tokens: int


class Report(Protocol):
    """Who watches. Lines are for people."""

    def __call__(self, line: str, *, detail: bool = False) -> None:
        """`detail` is what each person saw."""
        ...


async def play(part: Part, names: Sequence[str], seed: int, today: date, report: Report) -> Played:
    """Plays rounds until its steps are covered. An undisturbed one is first."""
    async with part.stage() as stage:
        _slow_down(stage.sandbox)
        rounds = ChaosRounds(stage, names, seed, today)
        begun = time.monotonic()
        undisturbed = await rounds.play(0, None, after(0))
        found = _reported(undisturbed, begun, report)
        played: list[ChaosRound] = []
        while (strike := part.coverage.next(played)) is not None:
            begun, chance = time.monotonic(), random.Random(seed * 1_000 + len(played))  # noqa: S311 - the same again
            moment = at(part.coverage.aim(played, strike), chance.uniform(0, _LATER))
            played.append(await rounds.play(len(played) + 1, strike, moment))
            found += _reported(played[-1], begun, report)
        at_the_end = await asyncio.to_thread(_searched, stage, rounds.tokens, undisturbed.runs[0].asked)
        for each in at_the_end:
            report(each)
    for strike, step in (lacks := part.coverage.missing(played)):
        report(f"seldom or never: {strike} while a chat was at: {step}")
    return Played(played, found + len(at_the_end), not lacks, len(rounds.tokens))


def _searched(stage: SearchedStage, tokens: Sequence[str], known: str) -> list[str]:
    found = found_leaks(stage.sandbox, tokens, stage.secrets(), stage.stored(), known)
    return found + stage.left_over()


def _reported(result: ChaosRound, begun: float, report: Report) -> int:
    """The number of violations."""
    took = f"{time.monotonic() - begun:.1f} s"
    if result.disturbance is None:
        report(f"undisturbed: {took}")
    else:
        steps = ", ".join(
            f"{run.person} {run.step}{'' if run.struck else ' (elsewhere)'}" for run in result.runs
        )
        report(f"{result.number}. {result.disturbance} after {result.struck_after:.1f} s ({steps}): {took}")
    for run in result.runs:
        report(f"  {run.person}: {'; '.join(run.seen)}", detail=True)
    wrong = violations(result)
    for violation in wrong:
        report(f"  seed {result.seed}: {violation}")
    return len(wrong)


def _slow_down(sandbox: RunningSandbox) -> None:
    """Gives each step of a run a width."""
    cloud = sandbox.cloud
    cloud.settings.model_first_token_delay, cloud.settings.model_token_delay = 0.4, 0.015
    for service, seconds in _SLOW.items():
        cloud.faults.set(service, Fault(latency=seconds))
