"""The benchmarks run, every row of them. What they measure is no matter of a test."""

import json
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.bench import Bench
from benchmarks.load import load
from benchmarks.measurement import QUICK, Figure, Series, at_least, at_most, in_turns, series

ROOT = Path(__file__).parents[1]


ROWS = sorted(module.name for module in pkgutil.iter_modules(rows.__path__))
ALONE = {"broker", "cold_start", "growth", "human_users", "idaas_requests", "mcp_call", "resident_memory"}
"""Those that start processes of their own; the others share theirs."""


@pytest.mark.parametrize("alone", [True, False])
def test_every_row_comes_out_with_figures(tmp_path: Path, alone: bool) -> None:
    asked = [row for row in ROWS if (row in ALONE) is alone]
    command = [sys.executable, "-m", "benchmarks", "--quick", "--to", str(tmp_path), *asked]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)  # noqa: S603 - our own command

    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert set(results) == set(asked)
    table = (tmp_path / "table.md").read_text()
    for row, figures in results.items():
        assert figures
        assert not isinstance(figures, str), figures
        assert f"| {row} | {figures[0]['name']} |" in table


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed: scripts/ensure-wrk")
def test_wrk_sends_the_body_and_counts_the_answers() -> None:
    with Bench(QUICK) as bench:
        body = {"messages": [{"role": "user", "content": 'a "quoted" 问题\n\\'}]}
        told = load(bench.stand_ins, "/v1/chat/completions", body, seconds=1)

    assert told.per_second > 0


def test_subjects_are_measured_in_turns_and_each_round_in_the_opposite_order() -> None:
    seen = []

    in_turns(3, {"a": lambda: seen.append("a"), "b": lambda: seen.append("b")})

    assert "".join(seen) == "abbaab"


def test_a_ratio_is_taken_round_by_round() -> None:
    figure = Figure("speed", "/s", series(10, 20, 90), "peer", series(5, 20, 30), at_least(2))

    assert figure.ratio == Series((2, 1, 3))
    assert figure.met


def test_an_absolute_target_looks_at_the_value_beside_whatever() -> None:
    figure = Figure("time", "s", series(2), "peer", series(100), at_most(1, absolute=True))

    assert figure.met is False
