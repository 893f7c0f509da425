"""A call that the model makes, or that a person is asked about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call of a tool. `arguments` are JSON."""

    tool: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same for calls that say the same. An argument that is `null` says what a missing one says, and
        5.0 what 5 says.
        """
        said = {name: _written(value) for name, value in self.arguments.items() if value is not None}
        return f"{self.tool} {json.dumps(said, sort_keys=True)}"


def _written(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value
