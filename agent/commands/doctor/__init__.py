"""`idaas-agent doctor`: checks configuration and every dependency, in the order of a request.

May import everything of `agent` but the other commands.
Begin at `examination`; `finding` is what a check returns, `command` prints the findings.
"""
