"""The faults of variables as sentences: the expected value, then the found one.

A fault repeats the value of a number, a boolean or an enumeration only, never a value that may contain a
secret, such as an address with a password.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

_MAX_SHOWN: Final = 40


def variable_faults(error: ValidationError) -> list[str]:
    """Every fault of the variables, each by its variable's name."""
    return [_fault(fault) for fault in error.errors(include_url=False)]


def _fault(fault: Mapping[str, Any]) -> str:
    name = ".".join(str(step) for step in fault["loc"][:1]).upper()
    kind, context, found = fault["type"], fault.get("ctx", {}), _shown(fault.get("input"))
    if kind == "missing":
        return f"{name} must be set"
    if kind == "value_error":
        return f"{name} {str(fault['msg']).removeprefix('Value error, ')}".strip()
    if kind in _KINDS:
        return f"{name} must be {_KINDS[kind].format_map(context)}, found {found}"
    if kind == "string_pattern_mismatch":
        return f"{name} must be one word, without spaces"
    return f"{name} has a value that cannot be used"


_KINDS: Final = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
