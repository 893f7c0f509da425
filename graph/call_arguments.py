"""The arguments of a tool call: they are validated before their content is read, and approvals bind a digest.

The model writes them, possibly under the influence of a hostile page or service: deep nesting exhausts a
parser's stack, and values that are not JSON (NaN, an unpaired surrogate) fail wherever they are sent.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from identity.strict_json import read_object
from identity.transport.json_size import check_values
from tools.arguments.fault import INTEGERS

MAX_VALUES: Final = 10_000
"""Services accept no more either (`tools.arguments.fault`)."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def are_valid_arguments(arguments: object) -> bool:
    """Whether they are one JSON object, nested at most 32 levels, with integers of at most 64 bits."""
    try:
        _object(json.dumps(arguments))
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The object in `text`, which is one document of strict JSON; `None` for anything else, for an object
    that is nested too deeply, and for more than `MAX_VALUES` values.

    Integers are exact, and at most 64 bits long; decimals are the nearest float.
    """
    try:
        check_values(text, MAX_VALUES)
        return _object(text)
    except ValueError:
        return None


def _object(text: str) -> dict[str, Any]:
    return read_object(text.encode(), integers=INTEGERS)


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the arguments as canonical JSON.

    Equal for arguments that differ only in the order of members. `1` and `1.0` differ, as a service may treat
    them differently. Raises `ValueError` for what is not JSON.
    """
    try:
        text = _CANONICAL.encode(arguments)
    except (TypeError, RecursionError):
        raise ValueError("the arguments must be JSON") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()
