"""Prepared runs: a job writes a question for a person, and a run of theirs begins if they accept.

A source of questions. Begin at `source.py`, then `prepared_runs.py`.
"""
