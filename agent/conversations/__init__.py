"""Conversations that last: threads, their runs with any number of readers, and the approvals they wait for.

May import `agent.runs`, `agent.replicas`, `agent.settings` and `agent.telemetry`; `agent.api` serves it.
Begin at `conversation_runs`, which starts and continues runs, and `store`, which keeps their messages.
"""
