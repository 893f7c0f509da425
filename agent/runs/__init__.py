"""One run of the graph for one caller: its start, its events, its limits and its end.

May import `graph`, `agent.errors`, `agent.replicas` and the measures of runs; no surface and no conversation.
Begin at `run`.
"""
