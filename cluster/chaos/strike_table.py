"""The tables of docs/faults.md: what people saw, by what was done to the agent while they chatted."""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Final

from cluster.chaos.chaos_run import ChaosRound, ChaosRun
from cluster.chaos.stage import Disturbance
from cluster.person import Step
from tests.generated_page import GeneratedPage

PAGE: Final = GeneratedPage.named("faults.md", "make chaos")
_HEAD: Final = ("what was done", "chats that it struck", "all answered within", "the slowest was at")


def strike_table(rounds: Iterable[ChaosRound], strikes: Sequence[Disturbance]) -> str:
    """Markdown: a row for each disturbance, with the chats that were not over when it struck."""
    struck: dict[Disturbance, list[ChaosRun]] = {}
    for played in rounds:
        for run in played.runs:
            if played.disturbance is not None and run.struck and run.step is not Step.ENDED:
                struck.setdefault(played.disturbance, []).append(run)
    return "\n".join([*_rows(struck, strikes), ""])


def _rows(struck: dict[Disturbance, list[ChaosRun]], strikes: Sequence[Disturbance]) -> Iterator[str]:
    yield _row(*_HEAD)
    yield "|---|---:|---:|---|"
    for strike in strikes:
        yield _row(strike, *_cells(struck.get(strike, [])))


def _cells(runs: list[ChaosRun]) -> tuple[str, str, str]:
    if not runs:
        return "0", "", ""
    number = str(len(runs))
    if lost := sum(run.seconds is None for run in runs):
        return number, f"{lost} not answered", ""
    slowest = max(runs, key=lambda run: run.seconds or 0)
    return number, f"{ceil(slowest.seconds or 0)} s", slowest.step


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
