"""The credentials of a run: for one verified caller, on a channel of the state that is not saved.

May import `identity`, `tools` and the modules at the top of `graph`.
Begin at `service_credentials`, which the nodes ask; `run_credentials` is what the state has of them.
"""
