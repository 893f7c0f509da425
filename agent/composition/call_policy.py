"""The policy of calls beside that of the services, as the settings want it."""

from importlib.util import find_spec
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.composition.service_parts import ServiceParts
from agent.conversations.storage import ConversationStorage
from agent.errors.error_codes import AgentCode
from agent.policy.counters import CallCounters
from identity.errors import ConfigurationError

if TYPE_CHECKING:
    from agent.policy.call_policy import CedarPolicy
    from agent.policy.decision_point import DecisionPointPolicy


def call_policy(
    calls: ServiceParts, storage: ConversationStorage | None
) -> "CedarPolicy | DecisionPointPolicy | None":
    """That of POLICY_FILE or POLICY_URL, which counts calls in `storage`; `None` without them.

    Without the file, nothing that reads it is imported. Raises `ConfigurationError` if it is refused.
    """
    settings = calls.settings
    by_name = {service.name: service for service in calls.services}
    counters = CallCounters(storage.database, storage.encryption) if storage else None
    if settings.policy_url is not None:
        from agent.policy.decision_point import DecisionPointPolicy

        return DecisionPointPolicy(
            by_name, calls.requirements, settings, calls.http, calls.broker, calls.clock, counters
        )
    if settings.policy_file is None:
        return None
    if find_spec("cedarpy") is None:
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, ["POLICY_FILE needs the extra policy"])
    from agent.policy.call_policy import CedarPolicy, PolicyFile
    from agent.policy.schema import vocabulary_of

    vocabulary = vocabulary_of(settings, calls.services, calls.listed_tools, counts=storage is not None)
    return CedarPolicy(
        by_name,
        calls.requirements,
        PolicyFile(settings.policy_file, vocabulary),
        calls.access,
        counters=counters,
        group_claim=settings.policy_groups_claim,
        zone=ZoneInfo(settings.policy_time_zone),
        observes=settings.policy_mode == "observe",
        clock=calls.clock,
    )
