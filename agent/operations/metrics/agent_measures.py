"""What the parts of one agent count: made with the agent, given to its parts, and read by the catalog."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from agent.operations.metrics.request_measures import RequestMeasures
from agent.operations.metrics.run_measures import RunMeasures
from graph.observed_calls import ObservedCalls
from identity.credentials.issue_measure import IssueMeasure
from identity.observation.measures import SHORT_SECONDS, CacheUse, Distribution, Tally
from identity.transport.http1.transport import PoolUse
from tools.service import Service


class FailureCount(Protocol):
    """What counts its own failures."""

    @property
    def failures(self) -> int:
        """How often it failed."""
        ...


class AuditCounts(FailureCount, Protocol):
    """What the audit log counts of itself."""

    @property
    def records(self) -> int:
        """Accepted records."""
        ...

    @property
    def lost(self) -> int:
        """Lost records."""
        ...


class AgentMeasures:
    """The measures of one agent. `model` is the name of its model."""

    def __init__(self, model: str = "") -> None:
        self.requests: Final = RequestMeasures()
        self.runs: Final = RunMeasures()
        self.calls: Final = ObservedCalls(model)
        self.issue: Final = IssueMeasure()
        self.credentials: Final = CacheUse()
        self.verifications: Final = CacheUse()
        self.revocations: Final = Tally()
        self.revocations_lost: Final = Tally()
        self.loop_lag: Final = Distribution(SHORT_SECONDS)
        self.export_failures: Final = Tally()
        """Of telemetry over OTLP, by signal."""
        self.pools: Final[dict[str, PoolUse]] = {}
        """By the name of the client: `idaas`, `model`, `postgresql`, `redis`, or the service's."""
        self.redis: FailureCount | None = None
        """The Redis that processes share."""
        self.audit: AuditCounts | None = None
        self.count_approvals: Callable[[], Awaitable[int]] | None = None
        """Counts the approvals that wait for a person, over all processes; `None` if none are stored."""
        self.approvals_waiting: int | None = None
        """How many there were at the last count; `None` if they could not be counted."""

    def add_pools(self, services: Iterable[Service], **parts: object) -> None:
        """The pools of the services' clients and of `parts`, of those that show theirs."""
        for name, part in {**parts, **{service.name: service for service in services}}.items():
            use = getattr(part, "pool_use", None)
            if isinstance(use, PoolUse):
                self.pools[name] = use

    def spans_not_exported(self) -> None:
        """An export of spans failed."""
        self.export_failures.add("traces")

    def metrics_not_exported(self) -> None:
        """An export of metrics failed."""
        self.export_failures.add("metrics")
