"""Ends a user's rights on running agents: keeps revocations, shares them among processes, and enforces them.

May import the packages below `agent`, `agent.runs` and `agent.settings`, but no surface.
Begin at `enforcement`; `file_store` and `redis_store` keep the revocations.
"""
