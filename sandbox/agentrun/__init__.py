"""A stand-in for AgentRun: runs a package as the platform does, behind the platform's gateway.

Imports nothing of the agent: it knows the zip, the `s.yaml` and the life of an instance. Begin at `gateway`,
which hands requests to an `instance` and freezes it between them.
"""
