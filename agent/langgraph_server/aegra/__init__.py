"""LangGraph's API on Aegra: runs in PostgreSQL and Redis, executed by the workers of any process.

May import everything of `agent` but `agent.commands`; only `application` imports `aegra_api`.
Begin at `application`, which `aegra.json` names.
"""
