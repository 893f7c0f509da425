"""The measures of one agent: made with it and given to its parts, which declare their metrics in them.

The metrics of parts that keep their own counts are declared here. Dashboards, alerts and
`docs/observability.md` are checked against all of them.
"""

import os
import resource
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from agent.operations.audit.log import AuditLog
from agent.operations.metrics.request_measures import RequestMeasures
from agent.operations.metrics.run_measures import RunMeasures
from agent.redis import SharedRedis
from graph.call_measures import CallMeasures
from http1.transport import PoolUse
from identity.access_token.revocation import Target
from identity.observation.attribute import Attribute
from identity.observation.metrics import SHORT_SECONDS, CacheUse, Kind, Metrics
from tools.service import Service

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")
_RESULT: Final = ("idaas_agent.lookup.result",)
_POOL: Final = ("idaas_agent.connection_pool.name",)


class AgentMeasures:
    """The measures of one agent."""

    def __init__(self) -> None:
        self.metrics: Final = Metrics()
        self.requests: Final = RequestMeasures(self.metrics)
        self.runs: Final = RunMeasures(self.metrics)
        self.calls: Final = CallMeasures(self.metrics)
        self.issue: Final = self.metrics.histogram(
            "idaas_agent.idaas.request.duration",
            "Requests to IDaaS with all their attempts, by what they request and the error's code",
            labels=(Attribute.ISSUE, Attribute.ERROR_TYPE),
        )
        self.credentials: Final = CacheUse()
        self.verifications: Final = CacheUse()
        self.pools: Final[dict[str, PoolUse]] = {}
        """By the name of the client: `idaas`, `model`, `postgresql`, `redis`, or the service's."""
        self.redis: SharedRedis | None = None
        """The Redis that processes share."""
        self.audit_log: AuditLog | None = None
        self.count_approvals: Callable[[], Awaitable[int]] | None = None
        """Counts the approvals that wait for a person, over all processes; `None` if none are stored."""
        self.approvals_waiting: int | None = None
        """How many there were at the last count; `None` if they could not be counted."""
        self._declare()

    def _declare(self) -> None:
        counted, gauge = (partial(self.metrics.observed, kind) for kind in (Kind.COUNTER, Kind.GAUGE))
        used, verified = self.credentials, self.verifications
        counted(
            "idaas_agent.credential.lookups",
            "Uses of credentials: cached, stale while IDaaS did not respond, or requested",
            unit="{lookup}",
            labels=_RESULT,
            read=lambda: {("cached",): used.found, ("stale",): used.stale, ("requested",): used.missed},
        )
        counted(
            "idaas_agent.credential.renewals",
            "Renewals of cached credentials ahead of their end",
            unit="{renewal}",
            read=lambda: used.renewed,
        )
        counted(
            "idaas_agent.access_token.verifications",
            "Verifications of access tokens: cached, or checked with a signature",
            unit="{verification}",
            labels=_RESULT,
            read=lambda: {("cached",): verified.found, ("checked",): verified.missed},
        )
        self.revocations = self.metrics.counter(
            "idaas_agent.revocations",
            "Revocations that came into force in each process, by their target",
            unit="{revocation}",
            labels=("idaas_agent.revocation.target",),
            zeros=[(target.value,) for target in Target],
        )
        self.revocations_lost = self.metrics.counter(
            "idaas_agent.revocations.losses",
            "How often a store that must keep revocations lacked some that were in force",
            unit="{loss}",
        )
        gauge(
            "idaas_agent.approvals.waiting",
            "Approvals that wait for a person",
            unit="{approval}",
            read=lambda: {} if self.approvals_waiting is None else self.approvals_waiting,
            shared=True,
        )
        counted(
            "idaas_agent.audit.records",
            "Records that the audit log accepted",
            unit="{record}",
            read=lambda: self.audit_log.records if self.audit_log else 0,
        )
        counted(
            "idaas_agent.audit.failures",
            "Failed attempts to write the audit log",
            unit="{failure}",
            read=lambda: self.audit_log.failures if self.audit_log else 0,
        )
        counted(
            "idaas_agent.audit.lost",
            "Records that the audit log lost",
            unit="{record}",
            read=lambda: self.audit_log.lost if self.audit_log else 0,
        )
        gauge(
            "idaas_agent.connection_pool.in_use",
            "Requests in flight, by the client: idaas, model, postgresql, redis, or the service",
            unit="{request}",
            labels=_POOL,
            read=lambda: {(name,): use.in_use for name, use in self.pools.items()},
        )
        gauge(
            "idaas_agent.connection_pool.limit",
            "Connections that a client may have",
            unit="{connection}",
            labels=_POOL,
            read=lambda: {(name,): use.limit for name, use in self.pools.items()},
        )
        counted(
            "idaas_agent.redis.failures",
            "Failures of the Redis that processes share; after each it is not used until it responds",
            unit="{failure}",
            read=lambda: self.redis.failures if self.redis else 0,
        )
        self.loop_lag = self.metrics.histogram(
            "idaas_agent.event_loop.lag",
            "By how much timers of the event loop are late, measured four times a second",
            bounds=SHORT_SECONDS,
        )
        self.export_failures = self.metrics.counter(
            "idaas_agent.telemetry.export.failures",
            "Failed exports over OTLP, by signal",
            unit="{failure}",
            labels=("idaas_agent.telemetry.signal",),
            zeros=[("traces",), ("metrics",)],
        )
        gauge("idaas_agent.processes", "Processes that serve requests", unit="{process}", read=lambda: 1)
        counted(
            "process.cpu.time",
            "Processor time of the processes that serve requests",
            unit="s",
            read=lambda: sum(os.times()[:2]),
        )
        gauge(
            "process.memory.usage",
            "Resident memory of the processes that serve requests",
            unit="By",
            read=_resident_bytes,
        )

    def add_pools(self, services: Iterable[Service], **parts: object) -> None:
        """Adds the pools of services and `parts` that have one."""
        for name, part in {**parts, **{service.name: service for service in services}}.items():
            use = getattr(part, "pool_use", None)
            if isinstance(use, PoolUse):
                self.pools[name] = use


def _resident_bytes() -> float:
    """Where the system has no /proc, the largest so far."""
    try:
        return int(_STATM.read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
