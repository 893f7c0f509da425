"""Counts of the credentials of one agent, and of the requests for them."""

from typing import Final

from identity.observation.attribute import Attribute
from identity.observation.metrics import Kind, Metrics


class CredentialMeasures:
    """Counts of look-ups: found in the cache, stale while IDaaS did not respond, requested; and of renewals.

    `requests` are the seconds of requests to IDaaS.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.cached = self.stale = self.requested = self.renewed = 0
        self.requests: Final = metrics.histogram(
            "idaas_agent.idaas.request.duration",
            "Requests to IDaaS with all their attempts, by what they request and the error's code",
            labels=(Attribute.ISSUE, Attribute.ERROR_TYPE),
        )
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.credential.lookups",
            "Uses of credentials: cached, stale while IDaaS did not respond, or requested",
            unit="{lookup}",
            labels=("idaas_agent.lookup.result",),
            read=lambda: {("cached",): self.cached, ("stale",): self.stale, ("requested",): self.requested},
        )
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.credential.renewals",
            "Renewals of cached credentials ahead of their end",
            unit="{renewal}",
            read=lambda: self.renewed,
        )
