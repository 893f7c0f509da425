"""The agent as a program: composition, HTTP surfaces, server and command line.

May import all other packages but `sandbox`; only `agent.commands` starts that.
Begin at `composition.agent`, which joins the parts, and `cli`.
"""
