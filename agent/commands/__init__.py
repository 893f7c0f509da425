"""The commands of `idaas-agent`, one file each.

May import everything, the sandbox included.
Begin at `up`, `serve` or `doctor`; `command_line` registers them.
"""
