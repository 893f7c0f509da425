"""The processes of a run: how they are started and measured, and what runs in them besides the agent itself.

May import the agent and the sandbox; `benchmarks.bench` starts what several rows use.
Begin at `processes.process`.
"""
