"""The processes of a run besides `idaas-agent serve`: stand-ins for what the agent calls, and two agents.

May import the agent and the sandbox; each module but `instant_model` is a process.
Begin at `services`: the model, an MCP server and the enterprise service.
"""
