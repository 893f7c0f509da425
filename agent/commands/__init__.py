"""What a person types: a file for each command of `idaas-agent`, a folder for doctor and package.

May import everything, the sandbox included; nothing but `agent.cli` imports it.
Begin at `up`, `serve` or `doctor`; `command_line` registers them, `startup` composes the agent.
"""
