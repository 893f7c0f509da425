"""A run of the graph for one caller: begun, continued, followed, cancelled, here or in another process.

May import `graph`, `agent.conversations`, `agent.operations`, `agent.redis` and `agent.errors`; no surface.
Begin at `run`, which has all that a surface sees of a run, and at `chats`, by which surfaces begin one:
`runs` starts those without a conversation, `conversation_runs` runs of conversations. `live_run` is the task
of a run, `relay` its events in Redis.
"""
