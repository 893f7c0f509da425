"""Verifies audit logs: that no line was removed, changed, moved, inserted or duplicated.

May import `agent.audit`.
Begin at `verify`; `docs/audit-log.md` describes what can be found, and what cannot.
"""
