"""The tables of docs/faults.md: one row for each step at the strike."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from cluster.chaos.chaos_run import ChaosRound
from cluster.chaos.stage import Disturbance
from cluster.chaos.step_table import PAGE, marks, step_table, written
from cluster.person import Step
from tests.cluster.chaos.chaos_rounds import ROUND, RUN

STRIKES = (Disturbance.REPLICA, Disturbance.POSTGRES, Disturbance.REDIS, Disturbance.BOTH)
BEGIN, END = marks("replicas")


def table_of(*rounds: ChaosRound, steps: Iterable[Step] = Step) -> str:
    return step_table(rounds, STRIKES, steps)


def cells(table: str, step: Step) -> list[str]:
    """Of the row of a step."""
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {step} |")]
    return [cell.strip() for cell in row.split("|")[2:-1]]


def test_cell_has_the_number_of_runs_and_the_longest_time_to_an_answer() -> None:
    slower = replace(ROUND, runs=[replace(RUN, seconds=14.1)])
    table = table_of(ROUND, slower, replace(ROUND, disturbance=Disturbance.REDIS, runs=[RUN]))
    assert cells(table, Step.CALLING) == ["2 runs, ≤ 15 s", "", "1 run, ≤ 4 s", ""]
    assert cells(table, Step.WAITING) == ["1 run, ≤ 4 s", "", "", ""]
    assert cells(table, Step.APPROVING) == [""] * 4


def test_chat_that_was_over_at_the_strike_has_no_time() -> None:
    over = replace(ROUND, runs=[replace(RUN, step=Step.ENDED, seconds=0.0)])
    assert cells(table_of(over), Step.ENDED)[0] == "1 run"


def test_chat_without_an_answer_is_shown() -> None:
    lost = replace(ROUND, runs=[replace(RUN, seconds=None), RUN])
    assert cells(table_of(lost), Step.CALLING)[0] == "2 runs, 1 not answered"


def test_undisturbed_round_is_in_no_cell() -> None:
    assert cells(table_of(replace(ROUND, disturbance=None)), Step.CALLING) == [""] * 4


def test_run_of_a_process_that_was_not_killed_is_in_no_cell() -> None:
    elsewhere = replace(ROUND, runs=[replace(RUN, struck=False), RUN])
    assert cells(table_of(elsewhere), Step.CALLING)[0] == "1 run, ≤ 4 s"


def test_table_has_the_given_rows_and_columns() -> None:
    head, _, row = step_table([], (Disturbance.WORKER,), [Step.QUEUED]).splitlines()
    assert (head, row) == ("| the chat was at | worker killed |", "| queued |  |")


def test_table_is_written_between_its_marks_alone() -> None:
    page = written(f"before\n{BEGIN}old\n{END}after\n", "replicas", "| new |\n")
    assert page == f"before\n{BEGIN}\n| new |\n\n{END}after\n"
    assert written(page, "replicas", "| new |\n") == page


def test_page_without_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="marks"):
        written("no marks", "replicas", "| new |\n")


@pytest.mark.parametrize("part", ["replicas", "aegra"])
def test_marks_are_in_the_page(part: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    begin, end = marks(part)
    assert page.index(begin) < page.index(end)
