"""The checks of `idaas-agent doctor`: configuration and every dependency, in the order of a request.

May import everything of `agent` but `agent.commands`.
Begin at `examination`; `finding` is what a check returns.
"""
