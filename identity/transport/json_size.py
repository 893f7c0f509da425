"""Bounds on JSON from other systems, before and after it is parsed."""

import re
from typing import Any, Final

from pydantic_core import from_json

from identity.strict_json import require_finite

MAX_CONTAINERS: Final = 50_000
"""Arrays and objects in one JSON text. Many more keep Python's garbage collector busy for a second."""
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string that is not terminated matches up to the end of the text, so that matching takes linear time."""


class TooLargeError(ValueError):
    """A value, or the work of processing it, exceeds a bound."""


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value in `text`.

    Raises `TooLargeError` for too many containers, and `ValueError` for text that is not JSON, is nested too
    deeply, or has a number beyond a float's range: it would be infinite, which JSON cannot carry on.
    """
    if _count(text, "[{") > MAX_CONTAINERS and _count(_STRING.sub("", text), "[{") > MAX_CONTAINERS:
        raise TooLargeError(f"it has more than {MAX_CONTAINERS} arrays and objects")
    value = from_json(text, allow_inf_nan=False)
    require_finite(value, text)
    return value


def check_values(text: str, most: int) -> None:
    """Raises `TooLargeError` if JSON in `text` certainly has more than `most` values, without parsing it."""
    if _count(text, "[{,") > most and _count(_STRING.sub("", text), "[{,") > most:
        raise TooLargeError(f"it has more than {most} values")


def _count(text: str, characters: str) -> int:
    return sum(map(text.count, characters))


def check_size(value: object, *, nodes: int, depth: int, characters: int) -> None:
    """Raises `TooLargeError` if `value` has more nodes, levels or characters than the bounds.

    Every object, array, string, number, boolean and null is a node; the value itself is at depth 1. Member
    names count as characters. It is measured without recursion, and no further than the bounds.
    """
    pending: list[tuple[Any, int]] = [(value, 1)]
    count = text = 0
    while pending:
        node, level = pending.pop()
        count += 1
        children = len(node) if isinstance(node, dict | list | tuple) else 0
        if count + len(pending) + children > nodes:
            raise TooLargeError(f"it has more than {nodes} values")
        if isinstance(node, str):
            text += len(node)
        elif isinstance(node, dict):
            text += sum(len(name) for name in node if isinstance(name, str))
            pending.extend((member, level + 1) for member in node.values())
        elif isinstance(node, list | tuple):
            pending.extend((item, level + 1) for item in node)
        if level > depth:
            raise TooLargeError(f"it is nested deeper than {depth} levels")
        if text > characters:
            raise TooLargeError(f"it has more than {characters} characters")


def count_values(value: object) -> int:
    """The number of values in `value`, itself included."""
    pending: list[Any] = [value]
    count = 0
    while pending:
        node = pending.pop()
        count += 1
        if isinstance(node, dict):
            pending.extend(node.values())
        elif isinstance(node, list | tuple):
            pending.extend(node)
    return count
