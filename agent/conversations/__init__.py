"""Stored conversations: threads, their messages and runs, approvals, checkpoints of paused runs.

May import `agent.errors` and `agent.settings`.
Begin at `threads`; `owned_thread` names a thread by its owner, `transcript` has the messages, `run_state`
decides which run a thread has, `run_record` is what is known of it later, and `storage` opens all of it.
"""
