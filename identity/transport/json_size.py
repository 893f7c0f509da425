"""JSON from outside within bounds: before it is parsed, and of what it has become."""

import re
from typing import Any, Final

from pydantic_core import from_json

MAX_CONTAINERS: Final = 50_000
"""Arrays and objects in a text of JSON. Many more take Python's garbage collector a second."""
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""One that does not end reaches to the end: so the time is that of the text's length."""


class TooLargeError(ValueError):
    """A value, or the work that it would take to look at it, is beyond its bounds."""


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value in `text`. Raises `TooLargeError`, and `ValueError` if it is none or nested too deep."""
    if _containers(text) > MAX_CONTAINERS and _containers(_STRING.sub("", text)) > MAX_CONTAINERS:
        raise TooLargeError(f"it has more than {MAX_CONTAINERS} arrays and objects")  # noqa: EM102
    return from_json(text)


def _containers(text: str) -> int:
    return text.count("[") + text.count("{")


def check_size(value: object, *, nodes: int, depth: int, characters: int) -> None:
    """Raises `TooLargeError` if `value` has more values, levels or characters of text than that.

    It is measured without recursion, and no further than the bounds. Every member, item, text and number is
    a node; the value itself is at depth 1. Names count as text.
    """
    pending: list[tuple[Any, int]] = [(value, 1)]
    count = text = 0
    while pending:
        node, level = pending.pop()
        count += 1
        children = len(node) if isinstance(node, dict | list | tuple) else 0
        if count + len(pending) + children > nodes:
            raise TooLargeError(f"it has more than {nodes} values")  # noqa: EM102 - the bound is the point
        if isinstance(node, str):
            text += len(node)
        elif isinstance(node, dict):
            text += sum(len(name) for name in node if isinstance(name, str))
            pending.extend((member, level + 1) for member in node.values())
        elif isinstance(node, list | tuple):
            pending.extend((item, level + 1) for item in node)
        if level > depth:
            raise TooLargeError(f"it is nested deeper than {depth} levels")  # noqa: EM102
        if text > characters:
            raise TooLargeError(f"it has more than {characters} characters")  # noqa: EM102


def count_values(value: object) -> int:
    """How many values `value` has, itself included."""
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
