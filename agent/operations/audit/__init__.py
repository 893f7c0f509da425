"""The audit log: records as chained lines, where they are written, and their verification.

May import `agent.errors`, `agent.settings` and `identity.audit`.
Begin at `log`, whose lines go to a `destination`; `docs/audit-log.md` describes the records.
"""
