"""Seals a caller's access token for a run that another process executes later.

May import `access_token` and the modules at the top of `identity`.
Begin at `sealed_caller`; `sealing_keys` reads the keys that the agent's processes share.
"""
