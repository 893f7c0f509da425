"""LangGraph's API on Aegra: runs in PostgreSQL and Redis, executed by the workers of any process.

May import everything of `agent` but `agent.commands`; only `application` and
`queued_runs` import `aegra_api`.
Begin at `application`, which `aegra.json` names.
"""
