"""The additions of installed packages to the agent: objects by the names of entry points, of any group.

Reading them takes a file of every installed distribution, and a start asks for six groups. They are read once
for all, and again if a package was installed on the import path since.
"""

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, TypeAlias

from idaas_agent.extras import missing_extra
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.observation.failure import raised

_OWN: Final = "idaas_agent."
"""How the names of all groups begin."""
_ImportPath: TypeAlias = tuple[tuple[str, int | None], ...]
"""Its folders, and when an entry of each was last added or removed."""


def installed(group: str, wanted: Collection[str] | None = None) -> dict[str, Any]:
    """The objects of a group by their names, in alphabetical order; with `wanted`, of these names alone: no
    other one is imported.

    Raises `ConfigurationError` for each name that two packages use, and each entry that cannot be imported.
    """
    entries = installed_entries(group)
    counts = Counter(entry.name for entry in entries)
    faults = [
        f'two installed packages have an entry point "{name}" of {group}'
        for name, count in counts.items()
        if count > 1
    ]
    objects: dict[str, Any] = {}
    for entry in entries:
        if wanted is not None and entry.name not in wanted:
            continue
        try:
            objects[entry.name] = entry.load()
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            faults.append(f'entry point "{entry.name}" cannot be used: {failure_of(error)}')
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return objects


def installed_entries(group: str) -> list[EntryPoint]:
    """The entry points of a group, in alphabetical order, none of which is imported."""
    return list(_groups_on(_import_path()).get(group, ()))


@lru_cache(maxsize=1)
def _groups_on(_: _ImportPath) -> Mapping[str, Collection[EntryPoint]]:
    """The entry points of each of the agent's groups, in alphabetical order."""
    every = entry_points()
    return {
        group: sorted(every.select(group=group), key=lambda entry: entry.name)
        for group in every.groups
        if group.startswith(_OWN)
    }


def _import_path() -> _ImportPath:
    return tuple((folder, _changed(folder)) for folder in sys.path)


def _changed(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


def failure_of(error: Exception) -> str:
    """The extra that is not installed; else the type of `error`, where it was raised, and its text if that is
    about names alone (`raised`): another may contain anything.
    """
    if isinstance(error, ImportError) and (extra := missing_extra(error)):
        return f"it needs {extra}"
    return raised(error)
