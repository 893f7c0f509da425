"""Runs of the graph, each for one caller: their start, their events, their limits and their end.

May import `graph`, `agent.errors`, `agent.replicas` and the measures of runs; no surface and no conversation.
Begin at `run`; `runs` starts and ends them, and surfaces read them as `run_reader` says.
"""
