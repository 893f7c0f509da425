"""The tables of docs/faults.md: what people saw, by the step of their chat and by what was done."""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Final

from cluster.chaos.chaos_run import ChaosRound, ChaosRun
from cluster.chaos.stage import Disturbance
from cluster.person import Step
from tests.generated_page import GeneratedPage

PAGE: Final = GeneratedPage.named("faults.md", "make chaos")


def step_table(rounds: Iterable[ChaosRound], strikes: Sequence[Disturbance], steps: Iterable[Step]) -> str:
    """Markdown: a row for each step at the strike, a column for each disturbance."""
    cells: dict[tuple[Step, Disturbance], list[ChaosRun]] = {}
    for played in rounds:
        for run in played.runs:
            if played.disturbance is not None and run.struck:
                cells.setdefault((run.step, played.disturbance), []).append(run)
    return "\n".join([*_rows(cells, strikes, steps), ""])


def _rows(
    cells: dict[tuple[Step, Disturbance], list[ChaosRun]],
    strikes: Sequence[Disturbance],
    steps: Iterable[Step],
) -> Iterator[str]:
    yield _row("the chat was at", *strikes)
    yield _row(*["---"] * (len(strikes) + 1)).replace(" ", "")
    for step in steps:
        yield _row(step, *(_cell(step, cells.get((step, each), [])) for each in strikes))


def _cell(step: Step, runs: list[ChaosRun]) -> str:
    if not runs:
        return ""
    number = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    if step is Step.ENDED:
        return number
    if lost := sum(run.seconds is None for run in runs):
        return f"{number}, {lost} not answered"
    return f"{number}, ≤ {ceil(max(run.seconds or 0 for run in runs))} s"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
