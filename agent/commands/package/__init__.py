"""`idaas-agent package`: a zip for Function Compute or AgentRun, or the operator's part of a tree.

May import `agent.settings` and the standard library.
Begin at `agentrun` or `tree`, and `carried`, which states what of an operator goes into both;
`runtime_schema.json` states what the platform's components accept.
"""
