"""Writes audit records: to the log, and to a file that can be required.

May import the modules at the top of `agent`, `agent.settings` and `identity.audit`.
Begin at `log`; `docs/audit-log.md` describes the records.
"""
