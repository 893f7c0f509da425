"""What the services share: who exists, who may do what, which keys, tokens and credentials there are.

State and rules only, no I/O. Imports no service.
Begin at `cloud`, which joins them, and `directory`.
"""
