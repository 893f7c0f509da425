"""Conversations that last: threads, their runs with any number of readers, and the approvals they wait for.

May import the modules at the top of `agent` and `agent.settings`; `agent.api` serves it.
Begin at `live_run`, the run of a thread with its readers, and `threads`, which stores their messages.
"""
