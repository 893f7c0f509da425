"""The measurements. Each figure has a reference (a floor or a peer) that is measured in the same run.

`python -m benchmarks` runs all rows and writes a table; `--quick` only shows that they run. A figure that
misses its target is marked and fails nothing. Begin with `bench.py` (the servers) and `rows/`
(a file for each theme).
"""
