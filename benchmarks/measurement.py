"""A measured figure: a value with its spread, what it is held against, and the target.

Whatever is compared runs in turns (A B, B A, A B …), so that drift of the machine meets both alike, and the
ratio is taken within each turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: `rounds` turns of about `seconds` each; if `quick`, just to show that it runs."""

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
    """A series of one round for each value."""
    return Series(values)


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of the ratio; of the value itself if `absolute`, or where nothing is beside it."""

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
    """A line of the table. `against` is the floor's or peer's series, round for round; `beside` names it."""

    name: str
    unit: str
    value: Series
    beside: str = ""
    against: Series | None = None
    target: Target | None = None

    @property
    def ratio(self) -> Series | None:
        """Value by reference, round for round; `None` if there is no reference, or it is zero."""
        if self.against is None or 0 in self.against.values:
            return None
        pairs = zip(self.value.values, self.against.values, strict=True)
        return Series(tuple(value / reference for value, reference in pairs))

    @property
    def met(self) -> bool | None:
        """Whether the median is within the target; `None` if there is none."""
        if self.target is None:
            return None
        held = self.value if self.target.absolute or self.against is None else self.ratio
        return None if held is None else self.target.met_by(held.median)


def in_turns(rounds: int, subjects: Mapping[str, Callable[[], _T]]) -> dict[str, list[_T]]:
    """Measures every subject once a round, in the opposite order every other round."""
    results: dict[str, list[_T]] = {name: [] for name in subjects}
    for number in range(rounds):
        names = list(subjects) if number % 2 == 0 else list(reversed(list(subjects)))
        for name in names:
            results[name].append(subjects[name]())
    return results


def each(results: Sequence[_T], of: Callable[[_T], float]) -> Series:
    """One member of every round's result."""
    return Series(tuple(of(result) for result in results))
