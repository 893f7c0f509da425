"""LangGraph's API on Aegra: runs in PostgreSQL and Redis, executed by the workers of any process.

Has the guards of `agent.api.langgraph` in common with LangGraph Server. Only `application` and `queued_runs`
import `aegra_api`.
Begin at `application`, which `aegra.json` names.
"""
