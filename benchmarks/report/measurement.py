"""A measured figure: a value with its spread, its reference and its target.

Figures that are compared are measured in turns (A B, B A, A B …), so that drift of the machine affects both
alike, and the ratio is computed within each turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeVar

_T = TypeVar("_T")


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
