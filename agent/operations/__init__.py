"""The operators' part: the audit log, log lines, metrics, traces, readiness, revocation.

May import `agent.conversations`, whose database keeps revocations, `agent.redis`, `agent.settings` and
`agent.errors`.
Begin at `audit.log` or `revocation.enforcer`; `docs/observability.md` is for operators.
"""
