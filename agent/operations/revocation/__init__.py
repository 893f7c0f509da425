"""Ends a user's rights on running agents: keeps revocations, shares them among processes, and enforces them.

May import the packages below `agent`, `agent.redis`, `agent.settings` and the database of conversations.
Begin at `enforcer`; `store` is the seam to where revocations are kept: a database, and Redis.
"""
