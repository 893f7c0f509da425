"""The results as Markdown for people and as JSON for programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.report.measurement import Figure, Series

Results = Mapping[str, Sequence[Figure] | str]
"""By row: its figures, or the reason why it could not be measured."""

_INTRODUCTION = (
    "# Benchmarks",
    "",
    "For people who compare the cost of the agent: all figures of one `make bench`, which writes this page.",
    "A value is the median of the rounds, with the lowest and the highest round in parentheses.",
    "`docs/performance.md` explains the references and the figures that matter.",
    "",
)
HEADER = (
    "| row | figure | value | reference | its value | ratio | target | |\n|---|---|---|---|---|---|---|---|"
)


def markdown(machine: Mapping[str, str], results: Results) -> str:
    """The page with the machine and all figures."""
    lines = [*_INTRODUCTION, *(f"- {name}: {value}" for name, value in machine.items()), "", HEADER]
    for row, figures in results.items():
        lines += row_lines(row, figures)
    return "\n".join(lines) + "\n"


def row_lines(row: str, figures: Sequence[Figure] | str) -> Iterator[str]:
    """The lines of one row."""
    if isinstance(figures, str):
        yield f"| {row} | not measured: {figures} | | | | | | |"
        return
    for figure in figures:
        target = _bound(figure)
        met = {None: "", True: "met", False: "not met"}[figure.met]
        reference_value = _spread(figure.reference_value, figure.unit) if figure.reference_value else ""
        ratio = _spread(figure.ratio) if figure.ratio else ""
        cells = [
            row,
            figure.name,
            _spread(figure.value, figure.unit),
            figure.reference,
            reference_value,
            ratio,
            target,
            met,
        ]
        yield f"| {' | '.join(cells)} |"


def as_json(machine: Mapping[str, str], results: Results) -> dict[str, Any]:
    """The values of every round."""
    return {
        "machine": dict(machine),
        "rows": {
            row: figures if isinstance(figures, str) else [_figure(figure) for figure in figures]
            for row, figures in results.items()
        },
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "values": figure.value.values,
        "reference": figure.reference,
        "reference_values": figure.reference_value and figure.reference_value.values,
        "ratio": figure.ratio and figure.ratio.median,
        "target": _bound(figure),
        "met": figure.met,
    }


def _bound(figure: Figure) -> str:
    target = figure.target
    if target is None:
        return ""
    on_the_value = target.absolute or figure.reference_value is None
    return f"{target.bound} {_number(target.limit)} {figure.unit if on_the_value else '×'}".rstrip()


def _spread(values: Series, unit: str = "") -> str:
    text = _number(values.median) + (f" {unit}" if unit else "")
    if len(values.values) > 1:
        text += f" ({_number(values.low)}–{_number(values.high)})"
    return text


def _number(value: float) -> str:
    """Three significant digits, whole numbers as they are."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
