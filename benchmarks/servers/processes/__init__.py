"""Server processes: started, awaited, measured and stopped.

Imports nothing of the other folders; `row_server` starts a module of `stand_ins` by its name.
Begin at `process`; `fork_server` starts them faster, for the quick mode.
"""
