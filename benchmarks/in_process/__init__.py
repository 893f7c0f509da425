"""Measurements within one process: repeated functions, and parts of an agent that respond immediately.

May import the agent, and `benchmarks.report`.
Begin at `micro`.
"""
