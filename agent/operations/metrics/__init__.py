"""Numbers of the agent's work: read from what its parts count, and published for Prometheus or by OTLP.

May import `agent.settings`, `agent.errors` and the layers below the agent.
Begin at `catalog`, which names every metric; a `*_measures` module is what parts count in.
"""
