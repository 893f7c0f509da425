"""Runs that another process executes: their events, and their cancellation, by way of the shared Redis.

May import `agent.conversations.live`, `.store` and `.encryption`, and `agent.replicas`.
Begin at `relay`; `event_writer` writes the events of this process's runs, `relayed_runs` reads those of
others.
"""
