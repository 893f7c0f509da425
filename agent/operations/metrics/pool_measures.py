"""The connections of the clients of one agent. Each client counts its own (`PoolUse`)."""

from collections.abc import Iterable
from typing import Final

from http1.transport import PoolUse
from identity.observation.metrics import Kind, Metrics
from tools.service import Service

_LABELS: Final = ("idaas_agent.connection_pool.name",)


class PoolMeasures:
    """By the name of the client: `idaas`, `model`, `postgresql`, `redis`, or the service's."""

    def __init__(self, metrics: Metrics) -> None:
        self.uses: Final[dict[str, PoolUse]] = {}
        metrics.observed(
            Kind.GAUGE,
            "idaas_agent.connection_pool.in_use",
            "Requests in flight, by the client: idaas, model, postgresql, redis, or the service",
            unit="{request}",
            labels=_LABELS,
            read=lambda: {(name,): use.in_use for name, use in self.uses.items()},
        )
        metrics.observed(
            Kind.GAUGE,
            "idaas_agent.connection_pool.limit",
            "Connections that a client may have",
            unit="{connection}",
            labels=_LABELS,
            read=lambda: {(name,): use.limit for name, use in self.uses.items()},
        )

    def add(self, services: Iterable[Service], **parts: object) -> None:
        """Adds the pools of services and `parts` that have one."""
        for name, part in {**parts, **{service.name: service for service in services}}.items():
            use = getattr(part, "pool_use", None)
            if isinstance(use, PoolUse):
                self.uses[name] = use
