"""Strict JSON: text that two parsers could read differently is refused.

RFC 8725, section 3.10 requires JWTs to be validated without ambiguity; RFC 7515, section 4 forbids duplicate
header members and RFC 7519, section 4 leaves duplicate claims to the parser, so both are refused here. So are
duplicate members of a request, which may decide something.
"""

import json
import math
import re
from typing import Any, Final

import jiter

MAX_DEPTH = 32
_HUGE: Final = r"[eE]\+?\d{3}|(?<!\d)\d{200}"
"""Part of each number beyond a float's range, 1.8e308: more than 200 digits, or an exponent over 99."""
_HUGE_IN_TEXT: Final = re.compile(_HUGE)
_HUGE_IN_BYTES: Final = re.compile(_HUGE.encode())


def read_value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a request's body, `text` in UTF-8.

    Raises `ValueError` for duplicate members, NaN, numbers beyond a float's range, lone surrogates, and
    nesting deeper than 200 levels. Its text may quote the name of a member.
    """
    value = jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)
    require_finite(value, text)
    return value


def require_finite(value: object, text: str | bytes) -> None:
    """Raises `ValueError` if `value`, which was read from `text`, has an infinite number: a reader makes one
    of each number beyond a float's range, and no JSON can carry it on.
    """
    huge = _HUGE_IN_TEXT.search(text) if isinstance(text, str) else _HUGE_IN_BYTES.search(text)
    if huge is not None:
        json.dumps(value, allow_nan=False)


def read_object(text: bytes, *, integers: range | None = None) -> dict[str, Any]:
    """The JSON object in `text`, whose integers are all of `integers`, if that is given.

    Raises `ValueError`, and nothing else, for anything but one object in UTF-8: duplicate members, NaN and
    infinities, numbers beyond a float's range, lone surrogates, nesting deeper than `MAX_DEPTH`.
    The texts of the errors do not quote the input.
    """
    try:  # of values, which may be secret, the parser caches none
        value = jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError:
        raise ValueError("is not strict JSON") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - one kind of error for the caller
    _check(value, MAX_DEPTH, integers)
    return value


def _check(value: object, levels: int, integers: range | None) -> None:
    """Raises `ValueError` if `value` has more levels, or a number out of range."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError("is nested too deeply")
        children = value.values() if isinstance(value, dict) else value
        for child in children:
            _check(child, levels - 1, integers)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("is not strict JSON")
    elif integers is not None and isinstance(value, int) and value not in integers:
        raise ValueError("has an integer that is too large")
