"""Names for a policy of your own: it decides about calls of tools (`docs/own-policy.md`).

Without the extra `server`, importing it raises an `ImportError` that says so.
"""

from idaas_agent.extras import named_extra

with named_extra("a policy of your own"):
    from agent.composition.installed_policies import Policy as Policy
    from graph.approvals.policy import Allow as Allow
    from graph.approvals.policy import Ask as Ask
    from graph.approvals.policy import Deny as Deny

__all__ = ["Allow", "Ask", "Deny", "Policy"]
