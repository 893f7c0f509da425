"""`idaas-agent doctor`: checks configuration and every dependency, in the order of a request.

May import everything of `agent` but the other commands.
Begin at `examination`; a failure gets its reason from `causes` and `rules`.
"""
