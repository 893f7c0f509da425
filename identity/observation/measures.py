"""What parts count of their own work: plain numbers, which cost a tenth of a microsecond to increment.

A part does not know who reads them. `agent.operations.metrics` gives them names and publishes them.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from identity.errors import AgentError

MAX_SERIES: Final = 128
"""How many combinations of labels one measure has. Further ones are counted as `OTHER`."""
OTHER: Final = "_OTHER"
"""The value of every label of what exceeds `MAX_SERIES`, as in OpenTelemetry's conventions."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for requests, those of OpenTelemetry's conventions for HTTP with fewer steps."""
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

Labels = tuple[str, ...]
"""The values of a measure's labels, in the order in which its reader names them."""


class Tally:
    """Counts by labels. Written in one thread; any thread may read `counts`."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Labels, float] = {}

    def add(self, *labels: str, amount: float = 1) -> None:
        """Adds `amount`."""
        counts = self._counts
        if labels not in counts and len(counts) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
        counts[labels] = counts.get(labels, 0) + amount

    @property
    def counts(self) -> Mapping[Labels, float]:
        """A copy."""
        return self._counts.copy()


class Distribution:
    """Counts of values by labels and upper bounds, with their sum. Threads as for `Tally`."""

    __slots__ = ("_series", "bounds")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        """`bounds` are in ascending order; a value equal to a bound is within it."""
        self.bounds: Final = bounds
        self._series: dict[Labels, list[float]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Counts `value`."""
        found = self._series.get(labels)
        if found is None:
            if len(self._series) >= MAX_SERIES:
                labels = (OTHER,) * len(labels)
            found = self._series.setdefault(labels, [0] * (len(self.bounds) + 1) + [0.0])
        found[bisect_left(self.bounds, value)] += 1
        found[-1] += value

    @property
    def series(self) -> Mapping[Labels, tuple[float, ...]]:
        """For each combination of labels the counts of values within each bound and above the last one, not
        cumulative, and then the sum. A copy.
        """
        return {labels: tuple(counts) for labels, counts in self._series.copy().items()}


class CacheUse:
    """How a cache is used: values found in it, found but stale, not found, and renewed ahead of their end."""

    __slots__ = ("found", "missed", "renewed", "stale")

    def __init__(self) -> None:
        self.found = self.stale = self.missed = self.renewed = 0


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
