"""The rows of the benchmarks run and give figures; the values are not checked."""

import json
import random
import re
from importlib import import_module
from itertools import groupby
from pathlib import Path

import pytest

from benchmarks.__main__ import main, replaces_documented_table
from benchmarks.bench import Bench
from benchmarks.load import load
from benchmarks.micro import micro
from benchmarks.report import FULL, HEADER, Figure, Plan, Series, at_least, at_most, interleave, series
from benchmarks.rows import MODULES

ROOT = Path(__file__).parents[2]


ROWS = list(MODULES)


def test_each_row_is_a_function_of_its_module() -> None:
    assert [row for row, module in MODULES.items() if not callable(getattr(import_module(module), row))] == []


@pytest.mark.timeout(600)
def test_rows_of_some_modules_give_figures(tmp_path: Path) -> None:
    """Others in each run, beside the one with a peer of its own: `make bench` runs them all."""
    modules = {module: [*rows] for module, rows in groupby(sorted(ROWS, key=MODULES.get), MODULES.get)}
    chosen = random.sample([*modules.values()], 5)
    rows = {"warm_chat"} | {random.choice(rows) for rows in chosen}  # noqa: S311
    assert main(["--quick", "--to", str(tmp_path), *rows]) == 0
    results = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert set(results) == rows
    table = (tmp_path / "table.md").read_text()
    for row, figures in results.items():
        assert figures
        assert not isinstance(figures, str), figures
        assert f"| {row} | {figures[0]['name']} |" in table


def test_cases_are_measured_in_processes_of_their_own() -> None:
    once = Plan(rounds=1)
    times = micro("tracing", once)

    assert times.keys() == {"no span", "count"}
    assert all(0 < each.median < 1e6 for each in times.values())


def test_documented_table_has_every_row() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    rows_in_page = set(re.findall(r"^\| (\w+) \|", page, re.MULTILINE)) - {"row"}

    assert rows_in_page == set(ROWS)
    assert HEADER in page


def test_only_a_full_run_replaces_the_documented_table() -> None:
    assert replaces_documented_table([], quick=False)
    assert not replaces_documented_table([], quick=True)
    assert not replaces_documented_table(["broker"], quick=False)


def test_wrk_sends_the_body_and_counts_the_responses() -> None:
    with Bench(FULL) as bench:
        body = {"messages": [{"role": "user", "content": 'a "quoted" 问题\n\\'}]}
        result = load(bench.stand_ins, "/v1/chat/completions", body, seconds=1)

    assert result.per_second > 0


def test_runs_are_interleaved_in_the_opposite_order_every_other_round() -> None:
    seen = []

    interleave(3, {"a": lambda: seen.append("a"), "b": lambda: seen.append("b")})

    assert "".join(seen) == "abbaab"


def test_ratio_is_computed_round_by_round() -> None:
    figure = Figure("speed", "/s", series(10, 20, 90), "peer", series(5, 20, 30), at_least(2))

    assert figure.ratio == Series((2, 1, 3))
    assert figure.met


def test_absolute_target_is_compared_with_the_value_not_the_ratio() -> None:
    figure = Figure("time", "s", series(2), "peer", series(100), at_most(1, absolute=True))

    assert figure.met is False
