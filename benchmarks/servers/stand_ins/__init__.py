"""What the agent calls: the sandbox as IDaaS, and stand-ins that cost next to no processor time.

May import the sandbox. Each module but `instant_model` and `slow_model_control` is a process.
Begin at `services`: the model, an MCP server and the enterprise service.
"""
