"""Deployment packages for Function Compute and AgentRun: a zip, and the `s.yaml` that deploys it.

For the container image and the systemd unit: the operator's part of their tree.

May import `agent.settings` and the standard library; imported by `agent.commands` only.
Begin at `agentrun` or `tree`, and `carried`, which states what of an operator goes into both;
`runtime_schema.json` states what the platform's components accept.
"""
