"""What a policy of your own imports: it decides about calls of tools (`docs/own-policy.md`)."""

from agent.composition.installed_policies import Policy as Policy
from graph.approvals.policy import Allow as Allow
from graph.approvals.policy import Ask as Ask
from graph.approvals.policy import Deny as Deny

__all__ = ["Allow", "Ask", "Deny", "Policy"]
