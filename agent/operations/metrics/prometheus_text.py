"""Readings in the formats of Prometheus: its text format, and OpenMetrics for scrapers that accept it.

The library writes the formats; it does not count. Its counters take a microsecond each and those of
OpenTelemetry's SDK four, against a tenth for `identity.observation.measures`, and its mode for several
processes writes every increment to a file.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from agent.operations.metrics.catalog import METRICS
from agent.operations.metrics.metric import Kind, Metric, Reading, Values

TARGET: Final = {"service_name": "idaas-agent"}
"""The labels of `target_info`, by which OpenTelemetry's resource is known to Prometheus."""


def prometheus_text(
    reading: Reading, accept: str, target: Iterable[tuple[str, str]] = ()
) -> tuple[bytes, str]:
    """`reading` in the format that the header `accept` prefers, and its media type.

    `target` are further labels of `target_info`.
    """
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Families(reading, {**TARGET, **dict(target)}))
    return encode(registry), media_type


class _Families(Collector):
    def __init__(self, reading: Reading, target: dict[str, str]) -> None:
        self._reading = reading
        self._target = target

    def describe(self) -> Iterable[Family]:
        return ()

    def collect(self) -> Iterator[Family]:
        info = GaugeMetricFamily("target_info", "The program", labels=list(self._target))
        info.add_metric(list(self._target.values()), 1)
        yield info
        for metric in METRICS:
            if values := self._reading.get(metric.name):
                yield _family(metric, values)


def _family(metric: Metric, values: Values) -> Family:
    about = (metric.prometheus_name, metric.description)
    labels = metric.prometheus_labels
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(*about, labels=labels)
        bounds = [*(str(float(bound)) for bound in metric.bounds), "+Inf"]
        for found, value in values.items():
            *counts, total = cast(tuple[float, ...], value)
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            histogram.add_metric(found, buckets, sum_value=total)
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(*about, labels=labels)
    for found, value in values.items():
        family.add_metric(found, cast(float, value))
    return family
