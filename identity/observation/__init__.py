"""What operators can see of the agent: spans, measures, failures, and the request that they belong to.

May import `identity.secrets` and the modules at the top of `identity`.
Begin at `span`, whose attributes are those of `attribute` only; parts count in `measures`.
`agent` exports both.
"""
