"""The agent's settings. No other code reads the environment.

May import `identity`.
Begin at `variables`, which joins the groups; `docs/configuration.md` is generated from them.
"""
