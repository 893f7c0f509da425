"""The agent's settings. No other code reads the environment.

May import `identity`, and types of the agent that variables have as values.
Begin at `settings`, which joins the groups of `variables`; `docs/configuration.md` is generated from them.
"""
