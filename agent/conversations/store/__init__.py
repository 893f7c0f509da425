"""What is stored of conversations: threads, their messages and runs, approvals, checkpoints of paused runs.

May import `agent.conversations.encryption` and `agent.conversations.database`.
Begin at `threads`; `transcript` has the messages, `run_state` decides which run a thread has,
`run_record` what is known of it later.
"""
