"""What operators can see of the agent: spans, measures, failures, and the id of the request.

May import `identity.secrets` and the modules at the top of `identity`.
Begin at `trace` and `span`, whose attributes are those of `attribute` only; parts count in `measures`.
`agent` exports both.
"""
