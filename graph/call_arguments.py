"""The shape of the arguments of a tool call, validated before their content is read.

The model writes them, possibly under the influence of a hostile page or service: deep nesting exhausts a
parser's stack, and values that are not JSON (NaN, an unpaired surrogate) fail wherever they are sent.
"""

import json
from typing import Any

from identity.strict_json import read_object


def are_valid_arguments(arguments: object) -> bool:
    """Whether they are one JSON object, nested at most 32 levels."""
    try:
        read_object(json.dumps(arguments).encode())
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The object in `text`; `None` if it is not a valid one."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return arguments if are_valid_arguments(arguments) else None
