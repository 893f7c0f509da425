"""What a person types: one file or folder for each command of `idaas-agent`.

May import everything, the sandbox included; nothing but `agent.cli` imports it.
Begin at `up`, `serve` or `doctor`; `command_line` registers them, `startup` composes the agent.
"""
