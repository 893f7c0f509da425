"""The commands that a person types: a file for each command of `idaas-agent`, a folder for doctor.

May import everything but the sandbox and plug-ins, whose commands are their own; `agent.cli` and those import
it.
Begin at `serve` or `doctor`; `command_line` finds all of them by entry points, `startup` composes the agent.
"""
