"""Whether the arguments of a tool call can be handled at all, before anything looks at what they say.

They are the model's, and a hostile page or service may have had a hand in them: nesting without end exhausts
a parser's stack, and what is no JSON (NaN, half a character) fails wherever it is sent on.
"""

import json
from typing import Any

from identity.strict_json import read_object


def are_valid_arguments(arguments: object) -> bool:
    """Whether they are one object, all of it JSON, nested no deeper than 32 levels."""
    try:
        read_object(json.dumps(arguments).encode())
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The object in `text`; `None` if it is none, or cannot be handled."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return arguments if are_valid_arguments(arguments) else None
