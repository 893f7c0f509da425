"""`idaas-agent package`: a zip for Function Compute or AgentRun, or the operator's part of a tree.

Two commands, `package` and `trigger-jwks`. Begin at `agentrun`, and `carried`, which states what of an
operator's configuration goes along.
"""
