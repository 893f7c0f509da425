"""Approvals: which call a person is asked about, what they answered, and that an answer counts once.

May import `identity`, `tools`, `graph.credentials` and the modules at the top of `graph`.
Begin at `record`; `store` is the seam to the database, and `gate` decides at the call.
"""
