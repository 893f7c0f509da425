"""Readings in the formats of Prometheus: its text format, and OpenMetrics for scrapers that accept it.

The library writes the formats; it does not count. Its counters take a microsecond each and those of
OpenTelemetry's SDK four, against a tenth for `identity.observation.metrics`, and its mode for several
processes writes every increment to a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from identity.observation.metrics import Kind, Metric, Reading, Values

_UNITS: Final = {"s": "_seconds", "By": "_bytes"}
TARGET: Final = {"service_name": "idaas-agent"}
"""The labels of `target_info`, by which OpenTelemetry's resource is known to Prometheus."""


def prometheus_text(reading: Reading, accept: str) -> tuple[bytes, str]:
    """`reading` in the format that the header `accept` prefers, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(_Families(reading)), media_type


def prometheus_name(metric: Metric) -> str:
    """By the rules of OpenTelemetry for Prometheus: underscores, and the unit."""
    name = metric.name.replace(".", "_")
    unit = _UNITS.get(metric.unit, "")
    return name if name.endswith(unit) else name + unit


def sample_name(metric: Metric) -> str:
    """The name of its samples; of a histogram, without `_bucket`, `_count` and `_sum`."""
    name = prometheus_name(metric)
    return f"{name}_total" if metric.kind is Kind.COUNTER else name


def prometheus_labels(metric: Metric) -> tuple[str, ...]:
    """The labels with underscores."""
    return tuple(label.replace(".", "_") for label in metric.labels)


@dataclass(frozen=True, slots=True)
class _Families(Collector):
    reading: Reading

    def collect(self) -> Iterator[Family]:
        info = GaugeMetricFamily("target_info", "The program", labels=list(TARGET))
        info.add_metric(list(TARGET.values()), 1)
        yield info
        for metric, values in self.reading.items():
            if values:
                yield _family(metric, values)


def _family(metric: Metric, values: Values) -> Family:
    about = (prometheus_name(metric), metric.description)
    names = prometheus_labels(metric)
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(*about, labels=names)
        bounds = [*(str(float(bound)) for bound in metric.bounds), "+Inf"]
        for labels, value in values.items():
            *counts, total = cast(tuple[float, ...], value)
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            histogram.add_metric(labels, buckets, sum_value=total)
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(*about, labels=names)
    for labels, value in values.items():
        family.add_metric(labels, cast(float, value))
    return family
