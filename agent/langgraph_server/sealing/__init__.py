"""Callers of runs that another process executes later: sealed, and claimed for one run in Redis.

May import `agent.errors.error_codes`, and what is below `agent`.
Begin at `sealed_callers`; `redis_marks` is what the processes agree on.
"""
