"""The audit log: events as chained lines, the three destinations of lines, and their verification.

May import `agent.errors`, `agent.settings` and `identity.audit`.
Begin at `log`, which writes, or `verify`, which reads; `docs/audit-log.md` describes the lines.
"""
