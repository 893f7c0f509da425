"""Deployment packages for Function Compute and AgentRun: a zip, and the `s.yaml` that deploys it.

May import `agent.settings` and the standard library; imported by `agent.commands` only.
Begin at `agentrun`; `runtime_schema` states what the platform's components accept.
"""
