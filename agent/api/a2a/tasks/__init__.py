"""How does a run become a task of A2A, which is sent, read, followed, answered and cancelled?

May import `agent.api.a2a.wire`, `agent.runs`, `agent.conversations`, and the approvals of `agent.api`.
Begin at `task_run`, which declares `Tasks`; `thread_tasks` stores them, `encoder` writes the events of a run.
"""
