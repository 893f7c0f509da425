"""The work of a thread's run: the graph, its transcript and checkpoint, and its end without a process.

May import `agent.conversations.live` and `agent.conversations.store`.
Begin at `thread_run`; `ended_run` and `heartbeat` end the runs that no process executes.
"""
