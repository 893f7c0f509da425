"""What an agent needs to use the sandbox: `agent.env`, the SDK configuration and the tokens of a workload.

May import the state, and imports no service.
Begin at `agent_environment`.
"""
