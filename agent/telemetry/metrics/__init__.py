"""Numbers of the agent's work: read from what its parts count, and published for Prometheus or by OTLP.

May import `agent.settings` and the modules at the top of `agent`.
Begin at `catalog`, which names every metric; `measures` has what it reads, `outlet` who publishes it.
"""
