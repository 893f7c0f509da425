"""What parts of the agent report for operators: measures, failures, and the id of the request.

May import `identity.secrets` and the modules at the top of `identity`.
Begin at `measures`, which parts count in, and at `failure_log`; `agent.telemetry` publishes both.
"""
