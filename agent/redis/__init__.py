"""What several processes of one agent share through a Redis, and what happens while that is away.

May import `agent.settings`, `agent.errors` and the packages below `agent`.
Begin at `shared_redis`.
"""
