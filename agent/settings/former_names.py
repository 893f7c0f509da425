"""Variables that have another name now, and are still read."""

from collections.abc import Mapping
from typing import Final

FORMER_NAMES: Final = {"RATE_LIMIT_URL": "REDIS_URL"}
"""Former name → present name. The present name wins if both are set."""


def with_present_names(environment: Mapping[str, str]) -> Mapping[str, str]:
    """`environment` with the values of former names under the present ones too."""
    renamed = {
        present: environment[former]
        for former, present in FORMER_NAMES.items()
        if environment.get(former, "").strip() and not environment.get(present, "").strip()
    }
    return {**environment, **renamed} if renamed else environment


def former_names_set(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each former name that is set. It contains no value."""
    return [
        f"{former} is now {present}; the former name still works"
        for former, present in FORMER_NAMES.items()
        if former in environment
    ]
