"""The variables of identity, checked at once, by name: callers, the agent as a client of IDaaS, and records.

May import the rest of `identity`. Reads no environment: its variables are an argument.
Begin at `variables`; `values` has the types that the variables of other layers share.
"""
