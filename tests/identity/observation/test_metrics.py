"""Metrics count exactly, their labels are bounded, and each is declared once."""

import pytest

from identity.observation.metrics import MAX_SERIES, OTHER, Counter, Histogram, Kind, Metrics


def test_counter_counts_by_labels() -> None:
    counter = Counter()
    counter.add("a", "b")
    counter.add("a", "b", amount=2)
    counter.add("a", "c")
    assert counter.values == {("a", "b"): 3, ("a", "c"): 1}


def test_value_is_counted_within_the_first_bound_that_is_not_less() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value, "x")
    assert histogram.values == {("x",): (2, 1, 1, 12.0)}


def test_further_labels_are_counted_together() -> None:
    counter, histogram = Counter(), Histogram()
    for number in range(MAX_SERIES + 10):
        counter.add(f"tool {number}", "service")
        histogram.observe(1.0, f"tool {number}")
    counter.add("tool 0", "service")
    assert len(counter.values) == len(histogram.values) == MAX_SERIES + 1
    assert counter.values[OTHER, OTHER] == 10
    assert counter.values["tool 0", "service"] == 2
    assert sum(histogram.values[(OTHER,)][:-1]) == 10


def test_what_is_read_does_not_change_later() -> None:
    counter, histogram = Counter(), Histogram()
    counter.add("a")
    histogram.observe(1.0)
    counts, series = counter.values, histogram.values
    counter.add("b")
    histogram.observe(1.0)
    assert counts == {("a",): 1}
    assert sum(series[()][:-1]) == 1


def test_declared_metrics_are_read_in_their_order() -> None:
    metrics = Metrics()
    counter = metrics.counter("a.calls", "Calls", unit="{call}", labels=("to",), zeros=[("x",)])
    metrics.observed(Kind.GAUGE, "an.open", "Open", unit="{call}", read=lambda: 7)
    metrics.counter("b.calls", "Calls", unit="{call}")
    counter.add("y", amount=2)
    assert [(metric.name, metric.labels, values) for metric, values in metrics.read().items()] == [
        ("a.calls", ("to",), {("x",): 0, ("y",): 2}),
        ("an.open", (), {(): 7}),
        ("b.calls", (), {(): 0}),
    ]
    with pytest.raises(ValueError, match="declared twice"):
        metrics.histogram("a.calls", "Calls")
