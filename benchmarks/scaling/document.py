"""The tables of `docs/scaling.md`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from benchmarks.scaling.needs import Assumptions, Figures, Needs, largest, needs, turn_seconds
from benchmarks.scaling.queueing import exponential, mean_wait, simulate

PAGE: Final = Path(__file__).parents[2] / "docs" / "scaling.md"
EMPLOYEES: Final = (1_000, 20_000, 1_000_000)
_BLOCK: Final = re.compile(r"<!-- scaling: (?P<name>\w+) -->\n(?:\n?\|[^\n]*\n)*")

_NEEDS: Final = {
    "turns": "turns/s at the peak",
    "open_runs": "open runs",
    "processor_cores": "processor cores at work",
    "replicas": "replicas (processes)",
    "memory_gib": "memory of all replicas, GiB",
    "postgresql_transactions": "PostgreSQL, write transactions/s",
    "postgresql_rows": "PostgreSQL, rows written/s",
    "postgresql_mib": "PostgreSQL, MiB of its log/s",
    "redis_commands": "Redis, commands/s",
    "redis_gib": "Redis, memory of events, GiB",
    "exchanges_with_affinity": "IDaaS, exchanges/s, a user's requests at one replica",
    "exchanges_without": "IDaaS, exchanges/s, at any replica",
}
_LIMITS: Final = (
    ("IDaaS, requests at any replica", "exchanges_without", 100.0, "exchanges/s"),
    ("IDaaS, a user's requests at one replica", "exchanges_with_affinity", 100.0, "exchanges/s"),
    ("one Redis", "redis_commands", 80_000.0, "commands/s"),
    ("one PostgreSQL", "postgresql_transactions", 5_000.0, "write transactions/s"),
    ("the model service", "open_runs", 1_000.0, "open responses"),
)


def written(page: str) -> str:
    """`page` with its tables replaced."""
    tables = {
        "assumptions": _values(Assumptions()),
        "figures": _values(Figures()),
        "needs": _needs([needs(number) for number in EMPLOYEES]),
        "limits": _limits(),
        "waits": _waits(),
    }
    return _BLOCK.sub(
        lambda match: f"<!-- scaling: {match['name']} -->\n\n" + "\n".join(tables[match["name"]]) + "\n", page
    )


def _values(values: Any) -> Iterator[str]:
    yield from ("| value | |", "|---|---:|")
    for field in fields(values):
        yield f"| {field.name.replace('_', ' ')} | {_number(getattr(values, field.name))} |"


def _needs(of: Sequence[Needs]) -> Iterator[str]:
    yield "| employees | " + " | ".join(f"{each.employees:,}" for each in of) + " |"
    yield "|---|" + "---:|" * len(of)
    for name, label in _NEEDS.items():
        yield f"| {label} | " + " | ".join(_number(getattr(each, name)) for each in of) + " |"


def _limits() -> Iterator[str]:
    yield from ("| part | assumed limit | reached with employees |", "|---|---:|---:|")
    reached = [(largest(limit, name), part, limit, unit) for part, name, limit, unit in _LIMITS]
    for number, part, limit, unit in sorted(reached):
        yield f"| {part} | {_number(limit)} {unit} | {_number(_round(number))} |"


def _waits() -> Iterator[str]:
    """How waiting grows with the use of processors, for turns that arrive at random."""
    work = turn_seconds(Assumptions(), Figures())
    yield "| use of each processor | 1 replica: mean, p99 | 4 replicas: mean, p99 | one queue, formula |"
    yield "|---:|---:|---:|---:|"
    for use in (0.3, 0.5, 0.7, 0.8, 0.9):
        one, four = (simulate(use * number / work, exponential(work), number) for number in (1, 4))
        formula = mean_wait(use * 4 / work, work, 4)
        cells = [f"{each.mean * 1000:.0f} ms, {each.p99 * 1000:.0f} ms" for each in (one, four)]
        yield f"| {use:.0%} | {cells[0]} | {cells[1]} | {formula * 1000:.1f} ms |"


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.1f}"


def _round(value: float) -> int:
    """Two digits are all that such an estimate has."""
    digits = len(str(int(value))) - 2
    return int(round(value, -digits)) if digits > 0 else int(value)
