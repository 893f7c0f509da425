"""The files of an agent that uses the sandbox: `agent.env`, the SDK configuration, tokens of a workload.

May import the state, and imports no service.
Begin at `agent_environment`.
"""
