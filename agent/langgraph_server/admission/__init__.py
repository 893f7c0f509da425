"""Which runs a client may create on LangGraph Server: their input, their configuration, an answer.

May import everything of `agent` but `agent.commands` and the folders beside it.
Begin at `run_admission`, which the auth handler calls.
"""
