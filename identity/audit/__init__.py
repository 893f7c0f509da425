"""What the audit log records, and the order in which a step is recorded.

May import `identity.access_token`, `identity.credentials.requirement` and the modules at the top of
`identity`.
Begin at `trail`; `event` has the records. Where they are written to is decided in `agent.audit`.
"""
