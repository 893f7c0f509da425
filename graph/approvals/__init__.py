"""The questions of a run to its user: for which call, consent or sign-in; each answer counts once.

May import `identity`, `tools`, the folders of `graph` but its nodes, and the modules at its top.
Begin at `record`, which has the seam to the database; `policy` is that to what decides about a call,
`policies` the list of those, `prompts` pauses the run, and `gate` decides at the call.
"""
