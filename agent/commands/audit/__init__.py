"""`idaas-agent audit`: verify the audit log, and show it to people.

May import `agent.commands`, `agent.operations.audit` and `agent.settings`.
Begin at `command`, which registers `verify` and `show`.
"""
