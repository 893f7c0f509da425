"""The two policies, as entry points: each is imported whole only if the settings want it."""

from importlib.util import find_spec
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.composition.facts_of_today import ReadFacts, facts_reader, no_facts
from agent.composition.installed_policies import PolicyParts
from agent.conversations.storage import ConversationStorage
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from plugins.policy.variables import PolicyVariables

if TYPE_CHECKING:
    from plugins.policy.call_policy import CedarPolicy
    from plugins.policy.counters import CallCounters
    from plugins.policy.decision_point import DecisionPointPolicy


def decision_point(parts: PolicyParts, storage: ConversationStorage | None) -> "DecisionPointPolicy | None":
    """That of POLICY_URL, which counts calls in `storage`."""
    if parts.settings.of(PolicyVariables).policy_url is None:
        return None
    from plugins.policy.decision_point import DecisionPointPolicy

    return DecisionPointPolicy(
        {service.name: service for service in parts.services},
        parts.requirements,
        parts.settings,
        parts.http,
        parts.broker,
        parts.clock,
        _counters(storage),
        facts_of_today=_facts(parts, storage),
    )


def cedar(parts: PolicyParts, storage: ConversationStorage | None) -> "CedarPolicy | None":
    """That of POLICY_FILE, which counts calls in `storage`. Raises `ConfigurationError` if it is refused."""
    settings = parts.settings
    variables = settings.of(PolicyVariables)
    if variables.policy_file is None or variables.policy_url is not None:
        return None
    require_cedar()
    from plugins.policy.call_policy import CedarPolicy, PolicyFile
    from plugins.policy.schema import vocabulary_of

    vocabulary = vocabulary_of(settings, parts.services, parts.listed_tools, counts=storage is not None)
    return CedarPolicy(
        {service.name: service for service in parts.services},
        parts.requirements,
        PolicyFile(variables.policy_file, vocabulary),
        parts.access,
        counters=_counters(storage),
        facts_of_today=_facts(parts, storage),
        group_claim=settings.policy_groups_claim,
        zone=ZoneInfo(variables.policy_time_zone),
        observes=variables.policy_mode == "observe",
        clock=parts.clock,
    )


def require_cedar() -> None:
    """Raises `ConfigurationError` if what reads a POLICY_FILE is not installed."""
    if find_spec("cedarpy") is None:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, ["POLICY_FILE needs idaas-agent[policy]"])


def _facts(parts: PolicyParts, storage: ConversationStorage | None) -> ReadFacts:
    return no_facts if storage is None else facts_reader(parts, storage)


def _counters(storage: ConversationStorage | None) -> "CallCounters | None":
    from plugins.policy.counters import CallCounters

    return CallCounters(storage.database, storage.encryption) if storage else None
