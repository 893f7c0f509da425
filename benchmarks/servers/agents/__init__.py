"""The agent with one part changed for a measurement.

May import the agent and `stand_ins`. Most rows measure `idaas-agent serve` itself (`benchmarks.bench`).
Begin at `instant_agent`.
"""
