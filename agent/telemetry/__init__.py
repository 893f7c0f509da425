"""What operators see of the agent: log lines, metrics and traces, without secrets and without content.

May import `agent.settings` and `agent.errors`; nothing here serves a route.
Begin at `logs`, `metrics` or `traces`; `docs/observability.md` is for operators.
"""
