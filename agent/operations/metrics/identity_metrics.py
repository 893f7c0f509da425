"""The metrics of identity: requests to IDaaS, credentials, tokens, revocations, approvals, the audit log."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from agent.operations.metrics.metric import Kind, Metric, Values, number
from identity.access_token.revocation import Target
from identity.observation.attribute import Attribute
from identity.observation.measures import SECONDS

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures

_TARGETS: Final[Values] = {(target.value,): 0 for target in Target}


def _lookups(measures: "AgentMeasures") -> Values:
    use = measures.credentials
    return {("cached",): use.found, ("stale",): use.stale, ("requested",): use.missed}


def _verifications(measures: "AgentMeasures") -> Values:
    use = measures.verifications
    return {("cached",): use.found, ("checked",): use.missed}


def _audit(member: str) -> "Callable[[AgentMeasures], Values]":
    return number(lambda measures: getattr(measures.audit, member, 0))


def _approvals(measures: "AgentMeasures") -> Values:
    return {} if measures.approvals_waiting is None else {(): measures.approvals_waiting}


IDENTITY_METRICS: Final = (
    Metric(
        name="idaas_agent.idaas.request.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Requests to IDaaS with all their attempts, by what they request and the error's code",
        labels=(Attribute.ISSUE, Attribute.ERROR_TYPE),
        bounds=SECONDS,
        read=lambda measures: measures.issue.seconds.series,
    ),
    Metric(
        name="idaas_agent.credential.lookups",
        kind=Kind.COUNTER,
        unit="{lookup}",
        description="Uses of credentials: cached, stale while IDaaS did not respond, or requested",
        labels=("idaas_agent.lookup.result",),
        read=_lookups,
    ),
    Metric(
        name="idaas_agent.credential.renewals",
        kind=Kind.COUNTER,
        unit="{renewal}",
        description="Renewals of cached credentials ahead of their end",
        read=number(lambda measures: measures.credentials.renewed),
    ),
    Metric(
        name="idaas_agent.access_token.verifications",
        kind=Kind.COUNTER,
        unit="{verification}",
        description="Verifications of access tokens: cached, or checked with a signature",
        labels=("idaas_agent.lookup.result",),
        read=_verifications,
    ),
    Metric(
        name="idaas_agent.revocations",
        kind=Kind.COUNTER,
        unit="{revocation}",
        description="Revocations that came into force in each process, by their target",
        labels=("idaas_agent.revocation.target",),
        read=lambda measures: {**_TARGETS, **measures.revocations.counts},
    ),
    Metric(
        name="idaas_agent.revocations.losses",
        kind=Kind.COUNTER,
        unit="{loss}",
        description="How often a store that must keep revocations lacked some that were in force",
        read=number(lambda measures: sum(measures.revocations_lost.counts.values())),
    ),
    Metric(
        name="idaas_agent.approvals.waiting",
        kind=Kind.GAUGE,
        unit="{approval}",
        description="Approvals that wait for a person",
        read=_approvals,
        shared=True,
    ),
    Metric(
        name="idaas_agent.audit.records",
        kind=Kind.COUNTER,
        unit="{record}",
        description="Records that the audit log accepted",
        read=_audit("records"),
    ),
    Metric(
        name="idaas_agent.audit.failures",
        kind=Kind.COUNTER,
        unit="{failure}",
        description="Failed attempts to write the audit log",
        read=_audit("failures"),
    ),
    Metric(
        name="idaas_agent.audit.lost",
        kind=Kind.COUNTER,
        unit="{record}",
        description="Records that the audit log lost",
        read=_audit("lost"),
    ),
)
"""No convention has names for them."""
