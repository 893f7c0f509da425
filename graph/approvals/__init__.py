"""Approvals: which call a person is asked about, what they answered, and that an answer counts once.

May import `identity`, `tools` and the modules at the top of `graph`, but no node.
Begin at `record`; `store` is the seam to the database, and `gate` decides at the call.
"""
