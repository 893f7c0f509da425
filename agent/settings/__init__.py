"""The agent's settings, read from the environment: the only code that looks at it.

May import `identity`.
Begin at `variables`; `docs/configuration.md` is generated from it.
"""
