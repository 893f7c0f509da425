"""Variables that an installed package declares beside its code: a class, and its entry point.

They are read, checked and documented as the agent's own are, together with them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from agent.entry_points import installed
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.settings.values import VariableGroup

ENTRY_POINTS: Final = "idaas_agent.variables"
"""The group of entry points by which installed packages declare variables. An entry is a subclass of
`PluginVariables`."""


class PluginVariables(VariableGroup):
    """The variables of a plug-in, which reads them by `Settings.of`."""

    @staticmethod
    def learns_sums(_given: Mapping[str, str]) -> bool:
        """Whether its policy learns sums. Only then SERVICES_FILE may name the `sum` of a tool's policy."""
        return False


@cache
def plugin_groups() -> tuple[type[PluginVariables], ...]:
    """The groups of all installed packages, in the alphabetical order of their entry points.

    Raises `ConfigurationError` for each that cannot be imported, or is no group.
    """
    groups = installed(ENTRY_POINTS)
    faults = [
        f'entry point "{name}" must be a class of PluginVariables, found {group!r:.80}'
        for name, group in groups.items()
        if not (isinstance(group, type) and issubclass(group, PluginVariables))
    ]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return tuple(groups.values())


def collision_faults(own: Mapping[str, object], groups: tuple[type[PluginVariables], ...]) -> list[str]:
    """Faults of variables that two groups declare, or that are among the agent's `own`."""
    declared = dict.fromkeys(own, "the agent")
    faults: list[str] = []
    for group in groups:
        for name in group.model_fields:
            if name in declared:
                faults.append(
                    f"{name.upper()} is declared twice: by {declared[name]} and by {group.__module__}"
                )
            declared[name] = group.__module__
    return faults
