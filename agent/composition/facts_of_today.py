"""Facts of a caller's day for policies, beside the calls that they count themselves: facts of installed
packages, by the names of `context.today`.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from agent.composition.installed_policies import PolicyParts
from agent.conversations.storage import ConversationStorage
from agent.entry_points import installed
from agent.settings.settings import Settings
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.principal import Principal

ENTRY_POINTS: Final = "idaas_agent.facts_of_today"
"""The group of entry points by which installed packages add facts. An entry is a `FactsOfToday`."""
_OF_POLICIES: Final = frozenset({"count", "sum"})
"""The members of `context.today` that policies count themselves."""

Fact: TypeAlias = int | Decimal
"""0 or more. Policies round a `Decimal` up to four digits after the point."""
ReadFacts: TypeAlias = Callable[[Principal], Awaitable[Mapping[str, Fact]]]
"""The facts of a caller now. Raises `UnavailableError` if they cannot be known."""


class FactsOfToday(Protocol):
    """Some facts."""

    def kinds(self, settings: Settings) -> Mapping[str, type[Fact]]:
        """The type of each fact that there is with `settings`, by its name; `int` or `Decimal`."""

    def reader(self, parts: PolicyParts, storage: ConversationStorage) -> ReadFacts:
        """A reader of all that `kinds` names."""


def kinds_of_facts(settings: Settings) -> Mapping[str, type[Fact]]:
    """The types of all facts that there are, by their names.

    Raises `ConfigurationError` for two of one name, and for a package that cannot be imported.
    """
    kinds: dict[str, type[Fact]] = {}
    for source in _sources():
        added = source.kinds(settings)
        for name in sorted(added.keys() & (kinds.keys() | _OF_POLICIES)):
            fault = f'two packages add the fact "{name}" of today'
            raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])
        kinds |= added
    return kinds


def facts_reader(parts: PolicyParts, storage: ConversationStorage) -> ReadFacts:
    """A reader of all facts that there are."""
    readers = [source.reader(parts, storage) for source in _sources() if source.kinds(parts.settings)]

    async def read(principal: Principal) -> Mapping[str, Fact]:
        facts: dict[str, Fact] = {}
        for reader in readers:
            facts |= await reader(principal)
        return facts

    return read


async def no_facts(_: Principal) -> Mapping[str, Fact]:
    """Where no conversation is stored, and nothing counted."""
    return {}


def _sources() -> list[FactsOfToday]:
    return list(installed(ENTRY_POINTS).values())
