"""Joins the readings of several processes into one."""

from collections.abc import Sequence

from agent.operations.metrics.catalog import BY_NAME
from agent.operations.metrics.metric import Kind, Reading, Value


def merged(readings: Sequence[Reading]) -> Reading:
    """Counts and sums are added; of a gauge that is the same in all processes, the largest is taken."""
    joined: Reading = {}
    for reading in readings:
        for name, values in reading.items():
            metric = BY_NAME[name]
            found = joined.setdefault(name, {})
            for labels, value in values.items():
                before = found.get(labels)
                if before is None:
                    found[labels] = value
                elif metric.shared:
                    found[labels] = max(before, value)
                else:
                    found[labels] = _added(before, value)
    return joined


def without_gauges(reading: Reading) -> Reading:
    """What remains true of a process that has ended."""
    return {name: values for name, values in reading.items() if BY_NAME[name].kind is not Kind.GAUGE}


def _added(one: Value, other: Value) -> Value:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(a + b for a, b in zip(one, other, strict=True))
    assert not isinstance(one, tuple)  # noqa: S101 - one metric has values of one kind
    assert not isinstance(other, tuple)  # noqa: S101 - the same
    return one + other
