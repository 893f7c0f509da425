"""What is stored of conversations: threads and their messages, approvals, checkpoints of runs that wait.

May import `agent.conversations.encryption` and `agent.conversations.database`.
Begin at `threads`; `transcript` has the messages, `run_state` decides which run a thread has.
"""
