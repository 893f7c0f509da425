"""The measurements. Each figure stands beside a floor or a peer measured in the same run, side by side.

`python -m benchmarks` runs them all and writes a table; `--quick` only shows that they run. No figure fails
anything: what is good enough is for people to judge.
"""
