"""The measures of one agent: made with it and given to its parts, each of which declares what it counts.

Dashboards, alerts and `docs/observability.md` are checked against all of them.
"""

from typing import Final

from agent.operations.metrics.pool_measures import PoolMeasures
from agent.operations.metrics.process_measures import ProcessMeasures
from agent.operations.metrics.request_measures import RequestMeasures
from agent.operations.metrics.run_measures import RunMeasures
from agent.operations.metrics.waiting_approvals import WaitingApprovals
from agent.operations.revocation.enforcer import RevocationMeasures
from agent.redis import RedisMeasures
from graph.call_measures import CallMeasures
from identity.access_token.verifier import VerificationMeasures
from identity.audit.log import AuditMeasures
from identity.credentials.measures import CredentialMeasures
from identity.observation.metrics import Metrics


class AgentMeasures:
    """The measures of one agent, in the order in which they are published."""

    def __init__(self) -> None:
        self.metrics: Final = Metrics()
        self.requests: Final = RequestMeasures(self.metrics)
        self.runs: Final = RunMeasures(self.metrics)
        self.calls: Final = CallMeasures(self.metrics)
        self.credentials: Final = CredentialMeasures(self.metrics)
        self.verifications: Final = VerificationMeasures(self.metrics)
        self.revocations: Final = RevocationMeasures(self.metrics)
        self.approvals: Final = WaitingApprovals(self.metrics)
        self.audit: Final = AuditMeasures(self.metrics)
        self.pools: Final = PoolMeasures(self.metrics)
        self.redis: Final = RedisMeasures(self.metrics)
        self.process: Final = ProcessMeasures(self.metrics)
