"""Verifies audit logs: that no line was removed, changed, moved, inserted or duplicated.

May import `agent.audit` and the modules at the top of `agent`.
Begin at `verify`; `docs/audit-log.md` describes what can be found, and what cannot.
"""
