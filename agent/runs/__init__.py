"""A run of the graph for one caller: begun, continued, followed, cancelled, here or in another process.

May import `graph`, `agent.conversations`, `agent.operations`, `agent.redis` and `agent.errors`; no surface.
Begin at `run` for one that is not kept, and at `conversation_runs` for those of conversations:
`thread_run` is their work, `live_run` their task, `relay` their events in Redis.
"""
