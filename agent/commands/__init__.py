"""What a person types: a file for each command of `idaas-agent`, a folder for doctor.

May import everything but the sandbox, whose commands are its own; `agent.cli` and those import it.
Begin at `serve` or `doctor`; `command_line` registers them, `startup` composes the agent.
"""
