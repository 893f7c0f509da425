"""`idaas-agent package`: a zip for Function Compute or AgentRun, or the operator's part of a tree.

May import `agent.settings`, and `agent.commands.terminal` for its commands.
Begin at `agentrun`, and `carried`, which states what of an operator's configuration goes along.
"""
