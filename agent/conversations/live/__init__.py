"""Runs while they work: one task each, its newest events, and the readers that come and go.

May import `agent.conversations.store`.
Begin at `live_run`; `live_runs` finds the run of a thread, `remote_run` follows one of another process.
"""
