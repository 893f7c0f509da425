"""The digest that binds an approval to the arguments of a call."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the arguments as canonical JSON.

    Equal for arguments that differ only in the order of members. `1` and `1.0` differ, as a service may treat
    them differently. Raises `ValueError` for what is not JSON.
    """
    try:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, RecursionError):
        raise ValueError("the arguments must be JSON") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()
