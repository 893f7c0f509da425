"""What a run reports: figures with references and targets, as a table and as JSON, and the machine.

Figures that are compared are measured in turns (A B, B A, A B …), so that drift of the machine affects both
alike, and the ratio is computed within each turn.
"""

import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

_T = TypeVar("_T")
_INTRODUCTION = (
    "# Benchmarks",
    "",
    "For people who compare the cost of the agent: all figures of one `make bench`, which writes this page.",
    "A value is the median of the rounds, with the lowest and the highest round in parentheses.",
    "[Performance](../docs/performance.md) explains the references, and what is not met.",
    "",
)
HEADER = (
    "| row | figure | value | reference | its value | ratio | target | |\n|---|---|---|---|---|---|---|---|"
)
_LIBRARIES = (
    "fastapi",
    "httpx",
    "langchain-core",
    "langchain-openai",
    "langgraph",
    "langserve",
    "mcp",
    "openai",
    "pydantic",
    "pyjwt",
    "starlette",
    "uvicorn",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: `rounds` turns of about `seconds` each; `quick` only shows that a row runs."""

    rounds: int = 6
    seconds: float = 1.5
    quick: bool = False


FULL = Plan()


QUICK = Plan(rounds=1, seconds=0.3, quick=True)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of all rounds. Never empty."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def series(*values: float) -> Series:
    """A series with one round for each value."""
    return Series(values)


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on the ratio; on the value itself if `absolute` or if there is no reference."""

    bound: Literal["≤", "≥"]
    limit: float
    absolute: bool = False

    def met_by(self, value: float) -> bool:
        return value <= self.limit if self.bound == "≤" else value >= self.limit


def at_most(limit: float, *, absolute: bool = False) -> Target:
    """`≤ limit`."""
    return Target("≤", limit, absolute)


def at_least(limit: float, *, absolute: bool = False) -> Target:
    """`≥ limit`."""
    return Target("≥", limit, absolute)


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. `reference` names the floor or peer, `reference_value` is its series."""

    name: str
    unit: str
    value: Series
    reference: str = ""
    reference_value: Series | None = None
    target: Target | None = None

    @property
    def ratio(self) -> Series | None:
        """Value divided by reference, round by round; `None` if there is no reference or it is zero."""
        if self.reference_value is None or 0 in self.reference_value.values:
            return None
        pairs = zip(self.value.values, self.reference_value.values, strict=True)
        return Series(tuple(value / reference for value, reference in pairs))

    @property
    def met(self) -> bool | None:
        """Whether the median is within the target; `None` if there is none."""
        if self.target is None:
            return None
        bounded = self.value if self.target.absolute or self.reference_value is None else self.ratio
        return None if bounded is None else self.target.met_by(bounded.median)


def interleave(rounds: int, runs: Mapping[str, Callable[[], _T]]) -> dict[str, list[_T]]:
    """Calls every function once a round, in the opposite order every other round."""
    results: dict[str, list[_T]] = {name: [] for name in runs}
    for number in range(rounds):
        names = list(runs) if number % 2 == 0 else list(reversed(list(runs)))
        for name in names:
            results[name].append(runs[name]())
    return results


def series_of(results: Sequence[_T], of: Callable[[_T], float]) -> Series:
    """One value of every round's result."""
    return Series(tuple(of(result) for result in results))


Results = Mapping[str, Sequence[Figure] | str]
"""By row: its figures, or the reason why it could not be measured."""


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


def machine() -> dict[str, str]:
    """Processor, cores, load, system, Python, and the versions of the libraries that cost most."""
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load before": load,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": libraries,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
