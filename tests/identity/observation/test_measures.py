"""Measures count exactly, and their labels are bounded."""

from identity.observation.measures import MAX_SERIES, OTHER, Distribution, Tally


def test_tally_counts_by_labels() -> None:
    tally = Tally()
    tally.add("a", "b")
    tally.add("a", "b", amount=2)
    tally.add("a", "c")
    assert tally.counts == {("a", "b"): 3, ("a", "c"): 1}


def test_value_is_counted_within_the_first_bound_that_is_not_less() -> None:
    distribution = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        distribution.observe(value, "x")
    assert distribution.series == {("x",): (2, 1, 1, 12.0)}


def test_further_labels_are_counted_together() -> None:
    tally, distribution = Tally(), Distribution()
    for number in range(MAX_SERIES + 10):
        tally.add(f"tool {number}", "service")
        distribution.observe(1.0, f"tool {number}")
    tally.add("tool 0", "service")
    assert len(tally.counts) == len(distribution.series) == MAX_SERIES + 1
    assert tally.counts[OTHER, OTHER] == 10
    assert tally.counts["tool 0", "service"] == 2
    assert sum(distribution.series[(OTHER,)][:-1]) == 10


def test_what_is_read_does_not_change_later() -> None:
    tally, distribution = Tally(), Distribution()
    tally.add("a")
    distribution.observe(1.0)
    counts, series = tally.counts, distribution.series
    tally.add("b")
    distribution.observe(1.0)
    assert counts == {("a",): 1}
    assert sum(series[()][:-1]) == 1
