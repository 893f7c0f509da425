"""2,000 streams that wait for a slow model, compared with the bare agent's. For 5,000: `make bench-scale`."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.open_streams import figures
from benchmarks.report.measurement import Figure


def measure(bench: Bench) -> Iterator[Figure]:
    """One round."""
    yield from figures(bench, 10 if bench.plan.quick else 2000, stored=True)
