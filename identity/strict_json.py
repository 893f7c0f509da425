"""Strict JSON: text that two parsers could read differently is refused.

RFC 8725, section 3.10 requires JWTs to be validated without ambiguity; RFC 7515, section 4 forbids duplicate
header members and RFC 7519, section 4 leaves duplicate claims to the parser, so both are refused here. So are
duplicate members of a request, which may decide something.
"""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import jiter

MAX_DEPTH = 32


def read_value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a request's body, `text` in UTF-8.

    Raises `ValueError` for duplicate members, NaN, lone surrogates, and nesting deeper than 200 levels. Its
    text may quote the name of a member.
    """
    return jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)


def read_object(text: bytes, *, parse_int: Callable[[str], int] = int) -> dict[str, Any]:
    """The JSON object in `text`. `parse_int` reads its integers, and may raise `ValueError`.

    Raises `ValueError`, and nothing else, for anything but one object in UTF-8: duplicate members, NaN and
    infinities, numbers beyond a float's range, lone surrogates, nesting deeper than `MAX_DEPTH`.
    The texts of the errors do not quote the input.
    """
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=parse_int,
        )
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError("is not strict JSON") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - one kind of error for the caller
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise ValueError("is nested too deeply")
    if b"\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("contains a lone surrogate") from None
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number


def _deeper_than(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list):
        inner = value
    else:
        return False
    return levels == 0 or any(_deeper_than(item, levels - 1) for item in inner)
