"""Readings in the form of OpenTelemetry's SDK, whose exporter sends them."""

from collections.abc import Iterable
from typing import Final, cast

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as Point
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from identity.observation.metrics import Kind, Labels, Metric, Reading, Values

_SCOPE: Final = InstrumentationScope("idaas_agent")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_UNKNOWN: Final = cast(float, None)
"""The smallest and the largest value of a histogram, which are optional in OTLP and not counted."""


def metrics_data(reading: Reading, resource: Resource, *, since: int, now: int) -> MetricsData:
    """`reading`, taken at `now`, of a process that counts since `since`: unix times in nanoseconds."""
    points = [
        Point(metric.name, metric.description, metric.unit, _data(metric, values, since, now))
        for metric, values in reading.items()
        if values
    ]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(_SCOPE, points, "")], "")])


def _data(metric: Metric, values: Values, since: int, now: int) -> Sum | Gauge | Histogram:
    if metric.kind is Kind.HISTOGRAM:
        return Histogram(list(_histograms(metric, values, since, now)), _CUMULATIVE)
    numbers = [
        NumberDataPoint(_attributes(metric, labels), since, now, cast(float, value))
        for labels, value in values.items()
    ]
    return Sum(numbers, _CUMULATIVE, is_monotonic=True) if metric.kind is Kind.COUNTER else Gauge(numbers)


def _histograms(metric: Metric, values: Values, since: int, now: int) -> Iterable[HistogramDataPoint]:
    for labels, value in values.items():
        *counts, total = cast(tuple[float, ...], value)
        yield HistogramDataPoint(
            attributes=_attributes(metric, labels),
            start_time_unix_nano=since,
            time_unix_nano=now,
            count=int(sum(counts)),
            sum=total,
            bucket_counts=[int(count) for count in counts],
            explicit_bounds=metric.bounds,
            min=_UNKNOWN,
            max=_UNKNOWN,
        )


def _attributes(metric: Metric, labels: Labels) -> dict[str, str]:
    """The labels that are not empty: an absent `error.type` is success."""
    return {name: value for name, value in zip(metric.labels, labels, strict=True) if value}
