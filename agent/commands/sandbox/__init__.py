"""`idaas-agent sandbox` and its subcommands, which add to `sandbox.toml`.

May import the sandbox, and of the agent `agent.commands` only.
Begin at `run_sandbox`, which runs it, or `additions`.
"""
