"""Publishes the agent's metrics, for Prometheus or by OTLP.

May import `agent.settings`, `agent.errors` and the layers below the agent.
Begin at `agent_measures`; a metric is declared beside what it counts (`identity.observation.metrics`).
"""
