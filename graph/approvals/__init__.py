"""What a run asks its user: for which call, consent or sign-in, and that their answer counts once.

May import `identity`, `tools`, the folders of `graph` but its nodes, and the modules at its top.
Begin at `record`; `store` is the seam to the database, `prompts` pauses the run, `gate` decides at the call.
"""
