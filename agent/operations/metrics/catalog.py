"""Every metric of the agent. Dashboards, alerts and `docs/observability.md` are checked against it.

Names and units follow OpenTelemetry's conventions where there are some: HTTP (stable) and GenAI as of
v0.1.0 (in development). Labels come from code, from the configuration, or from the tools that servers list,
and are bounded (`identity.observation.measures`). The catalog imports no part of the agent: the parent of
several processes reads it too.
"""

from typing import TYPE_CHECKING, Final

from agent.operations.metrics.identity_metrics import IDENTITY_METRICS
from agent.operations.metrics.metric import Reading
from agent.operations.metrics.process_metrics import PROCESS_METRICS
from agent.operations.metrics.request_metrics import REQUEST_METRICS
from agent.operations.metrics.run_metrics import RUN_METRICS

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures

METRICS: Final = (*REQUEST_METRICS, *RUN_METRICS, *IDENTITY_METRICS, *PROCESS_METRICS)
BY_NAME: Final = {metric.name: metric for metric in METRICS}


def read_metrics(measures: "AgentMeasures") -> Reading:
    """The values of this process now. Any thread may call it."""
    return {metric.name: dict(metric.read(measures)) for metric in METRICS}
