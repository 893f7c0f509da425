"""One metric: its name by OpenTelemetry's conventions, its name for Prometheus, and its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from identity.observation.measures import Labels

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures

Value: TypeAlias = "float | tuple[float, ...]"
"""A number; of a histogram its counts within each bound and above, and the sum: a `Distribution`."""
Values: TypeAlias = Mapping[Labels, Value]
Reading: TypeAlias = dict[str, dict[Labels, Value]]
"""The values of all metrics at one time, by the metric's name."""

_UNITS: Final = {"s": "_seconds", "By": "_bytes"}


class Kind(StrEnum):
    """What a value means."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`read` returns the values of one process. `bounds` are those of a histogram.

    Of several processes the values are added; of a gauge that is the same in all (`shared`), the largest is
    taken.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    read: "Callable[[AgentMeasures], Values]"
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    shared: bool = False

    @property
    def prometheus_name(self) -> str:
        """By the rules of OpenTelemetry for Prometheus: underscores, and the unit."""
        name = self.name.replace(".", "_")
        unit = _UNITS.get(self.unit, "")
        return name if name.endswith(unit) else name + unit

    @property
    def sample_name(self) -> str:
        """The name of its samples; of a histogram, without `_bucket`, `_count` and `_sum`."""
        return f"{self.prometheus_name}_total" if self.kind is Kind.COUNTER else self.prometheus_name

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """The labels with underscores."""
        return tuple(label.replace(".", "_") for label in self.labels)


def number(read: "Callable[[AgentMeasures], float]") -> "Callable[[AgentMeasures], Values]":
    """The reader of a metric without labels."""
    return lambda measures: {(): read(measures)}
