"""The policy of the settings: what its rules may mention, and the parts that decide by it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from agent.policy.call_policy import CedarPolicy, PolicyFile
from agent.policy.counters import CallCounters
from agent.policy.rules import Vocabulary
from agent.policy.schema import ToolAction
from agent.settings.settings import Settings
from agent.settings.variables.policy import PolicyMode
from graph.approvals.policy import DeclaredPolicy
from graph.credentials.service_credentials import ServiceRequirement
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.observation.metrics import Counter
from tools.service import Access, Service

AccessOf: TypeAlias = Callable[[str, VerifiedAccessToken | None], Access]


def configured_policy(
    settings: Settings,
    services: Iterable[Service],
    requirements: Mapping[str, ServiceRequirement],
    access: AccessOf,
    *,
    counters: CallCounters | None,
    observed: Counter,
    clock: Callable[[], float],
) -> CedarPolicy:
    """The policy of POLICY_FILE. Raises `ConfigurationError` for a file that is not valid."""
    assert settings.policy_file is not None  # noqa: S101 - the caller's condition
    by_name = {service.name: service for service in services}
    vocabulary = vocabulary_of(settings, by_name.values(), access, counts=counters is not None)
    return CedarPolicy(
        DeclaredPolicy(by_name, requirements),
        PolicyFile(settings.policy_file, vocabulary),
        by_name,
        lambda service: required.access_identity if (required := requirements.get(service)) else None,
        access,
        counters=counters,
        group_claim=settings.policy_groups_claim,
        zone=zone_of(settings),
        observes=settings.policy_mode is PolicyMode.OBSERVE,
        observed=observed,
        clock=clock,
    )


def vocabulary_of(
    settings: Settings, services: Iterable[Service], access: AccessOf, *, counts: bool
) -> Vocabulary:
    """What rules may mention. Servers are not asked for their tools."""
    actions: dict[str, ToolAction] = {}
    names, listing, order = set[str](), set[str](), []
    for service in services:
        order.append(service.name)
        names |= {f"{service.name}.{tool}" for tool in service.tool_names}
        listed = service.cached_tools(access(service.name, None))
        if listed is None:
            listing.add(service.name)
        for each in listed or ():
            effect = service.policy(each.name).effect
            action = ToolAction(service.name, each.name, effect, each.parameters)
            actions[action.name] = action
    return Vocabulary(
        actions=actions,
        names=frozenset(names),
        listing=frozenset(listing),
        services=order,
        groups=frozenset(settings.policy_groups),
        attributes=[name for name in settings.caller_claims.split() if name != settings.policy_groups_claim],
        counts=counts,
    )


def zone_of(settings: Settings) -> tzinfo:
    """The operator's time zone."""
    return UTC if settings.policy_time_zone == "UTC" else ZoneInfo(settings.policy_time_zone)
