"""The metrics of an agent: each is declared beside what it counts, and exporters read them all alike.

Counts are plain numbers, which cost a tenth of a microsecond to increment. `agent.operations.metrics`
publishes them. Names and units follow OpenTelemetry's conventions where there are some: HTTP (stable) and
GenAI as of v0.1.0 (in development). Labels come from code, from the configuration, or from the tools that
servers list, and are bounded.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from identity.errors import AgentError

MAX_SERIES: Final = 128
"""How many combinations of labels one metric has. Further ones are counted as `OTHER`."""
OTHER: Final = "_OTHER"
"""The value of every label beyond `MAX_SERIES`, as in OpenTelemetry's conventions."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for requests: OpenTelemetry's conventions for HTTP, with fewer steps."""
RESPONSE_SECONDS: Final = (*SECONDS, 30.0, 60.0, 180.0)
"""Bounds for the agent's own responses, which may be streams of a whole run."""
LONG_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Bounds for calls of models and tools, and for runs."""
SHORT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Bounds for delays within a process."""

SUCCESS: Final = ""
"""No failure. Prometheus treats an empty label as an absent one."""
CANCELLED: Final = "cancelled"
"""The work was cancelled: its caller has left, or the agent is stopping."""

Labels: TypeAlias = tuple[str, ...]
"""The values of a metric's labels, in the order in which it names them."""
Value: TypeAlias = "float | tuple[float, ...]"
"""A number; of a histogram its counts within each bound and above the last one, not cumulative, and then the
sum.
"""
Values: TypeAlias = Mapping[Labels, Value]


class Counter:
    """Counts by labels. Written in one thread; any thread may read `values`."""

    __slots__ = ("_values",)

    def __init__(self, zeros: Iterable[Labels] = ()) -> None:
        """Counts of `zeros` are 0 from the start, so that an alert sees the first one."""
        self._values: dict[Labels, float] = dict.fromkeys(zeros, 0)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Adds `amount`."""
        values = self._values
        if labels not in values and len(values) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    @property
    def values(self) -> Mapping[Labels, float]:
        """A copy."""
        return self._values.copy()


class Histogram:
    """Counts of values by labels and upper bounds, with their sum. Threads as for `Counter`."""

    __slots__ = ("_values", "bounds")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        """`bounds` are in ascending order; a value equal to a bound is within it."""
        self.bounds: Final = bounds
        self._values: dict[Labels, list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Counts `value`."""
        counts = self._values.get(labels)
        if counts is None:
            if len(self._values) >= MAX_SERIES:
                labels = (OTHER,) * len(labels)
            counts = self._values.setdefault(labels, [0] * (len(self.bounds) + 1) + [0.0])
        counts[bisect_left(self.bounds, value)] += 1
        counts[-1] += value

    @property
    def values(self) -> Mapping[Labels, tuple[float, ...]]:
        """A copy: see `Value`."""
        return {labels: tuple(counts) for labels, counts in self._values.copy().items()}


class Kind(StrEnum):
    """The meaning of a value."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """The declaration of a metric. Only a histogram has `bounds`.

    The values of several processes are added; of a gauge that is the same in all (`shared`), the largest is
    taken.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    shared: bool = False


Reading: TypeAlias = dict[Metric, Values]
"""The values of all metrics at one time."""


class Metrics:
    """The metrics of one agent, in the order in which its parts declare them.

    A name that is declared twice raises `ValueError`.
    """

    def __init__(self) -> None:
        self._reads: dict[Metric, Callable[[], Values]] = {}

    def counter(
        self,
        name: str,
        description: str,
        *,
        unit: str,
        labels: tuple[str, ...] = (),
        zeros: Iterable[Labels] = (),
    ) -> Counter:
        """Declares a counter: 0 from the start without labels, and for the labels `zeros`."""
        if not labels:
            zeros = [()]
        counter = Counter(zeros)
        self._declare(Metric(name, Kind.COUNTER, unit, description, labels), lambda: counter.values)
        return counter

    def histogram(
        self,
        name: str,
        description: str,
        *,
        labels: tuple[str, ...] = (),
        bounds: tuple[float, ...] = SECONDS,
    ) -> Histogram:
        """Declares a histogram of seconds."""
        histogram = Histogram(bounds)
        metric = Metric(name, Kind.HISTOGRAM, "s", description, labels, bounds)
        self._declare(metric, lambda: histogram.values)
        return histogram

    def observed(
        self,
        kind: Kind,
        name: str,
        description: str,
        *,
        unit: str,
        read: Callable[[], float | Values],
        labels: tuple[str, ...] = (),
        shared: bool = False,
    ) -> None:
        """Declares a counter or gauge whose value `read` returns, or its values by labels, in any thread."""

        def values() -> Values:
            value = read()
            return value if isinstance(value, Mapping) else {(): value}

        self._declare(Metric(name, kind, unit, description, labels, shared=shared), values)

    def declared(self) -> list[Metric]:
        """All metrics."""
        return list(self._reads)

    def read(self) -> Reading:
        """The values now. Any thread may call it."""
        return {metric: read() for metric, read in self._reads.items()}

    def _declare(self, metric: Metric, read: Callable[[], Values]) -> None:
        if any(metric.name == declared.name for declared in self._reads):
            raise ValueError(f'the metric "{metric.name}" is declared twice')
        self._reads[metric] = read


def error_type(error: BaseException | None) -> str:
    """The code of `error`, `CANCELLED`, `OTHER` for an exception without a code, or `SUCCESS`."""
    match error:
        case None:
            return SUCCESS
        case AgentError():
            return error.code.value
        case asyncio.CancelledError():
            return CANCELLED
        case _:
            return OTHER
