"""How metrics leave the process: to Prometheus, over OTLP, or from a worker to its parent.

May import `agent.settings`, and of `agent.telemetry` the catalog, the measures and the form of OTLP.
Begin at `outlet`, the Protocol, and `publishing`, which starts and stops outlets.
"""
