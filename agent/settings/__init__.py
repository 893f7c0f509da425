"""The agent's settings. No other code reads the environment.

May import `identity`.
Begin at `variables`; `docs/configuration.md` is generated from it.
"""
