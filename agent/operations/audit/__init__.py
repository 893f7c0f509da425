"""Verifies an audit log: whether a line was changed, removed or added since it was written.

May import `identity.audit`, which writes the lines.
Begin at `verify`; `docs/audit-log.md` describes the lines.
"""
