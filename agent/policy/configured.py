"""What the rules of the settings may mention, and their time zone."""

from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from agent.policy.rules import Vocabulary
from agent.policy.schema import ToolAction
from agent.settings.settings import Settings
from identity.access_token.verified_access_token import VerifiedAccessToken
from tools.service import Access, Service

AccessOf: TypeAlias = Callable[[str, VerifiedAccessToken | None], Access]


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
