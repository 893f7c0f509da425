"""Writes audit records: to the log, and to a file that can be required.

May import `agent.syslog_address`, `agent.errors`, `agent.settings` and `identity.audit`.
Begin at `log`, whose lines go to `destinations`; `docs/audit-log.md` describes the records.
"""
