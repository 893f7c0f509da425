"""LangServe under `/agent`: `invoke`, `batch`, `stream`, `stream_log`, `stream_events`, schemas.

May import the modules at the top of `agent.api`; no other folder imports `langserve`, which is deprecated.
Begin at `routes`.
"""
