"""What a run reports: figures with their references and targets, as a table, as JSON, and as charts.

Imports no other part of the benchmarks.
Begin at `measurement`.
"""
