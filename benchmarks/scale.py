"""`python -m benchmarks.scale [STREAMS]`: the row `open_streams` for more streams than `make bench` opens."""

import argparse

from benchmarks.bench import Bench
from benchmarks.open_streams import figures
from benchmarks.report.measurement import FULL
from benchmarks.report.table import HEADER, row_lines


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("streams", type=int, nargs="?", default=5000)
    streams = parser.parse_args().streams
    with Bench(FULL) as bench:
        print(HEADER, *row_lines("open_streams", list(figures(bench, streams, stored=False))), sep="\n")


if __name__ == "__main__":
    main()
