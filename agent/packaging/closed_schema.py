"""Checks a document against closed lists of members: a misspelt member is a fault."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[object], str | None]
"""The fault of a value ("must be …"), or `None`."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of an object: each with its check. `required` must be present; other members are faults."""

    checks: Mapping[str, "Check | Members | ListOf"]
    required: frozenset[str] = frozenset()
    either: Sequence[frozenset[str]] = field(default=())
    """Groups of members of which exactly one must be present."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list with at least `least` items, each checked by `item`."""

    item: "Check | Members"
    least: int = 1


def faults(value: object, schema: "Check | Members | ListOf", path: str) -> list[str]:
    """Every fault of `value`, each with its path."""
    if isinstance(schema, Members):
        return _faults_of_object(value, schema, path)
    if isinstance(schema, ListOf):
        if not isinstance(value, list) or len(value) < schema.least:
            return [f"{path} must be a list of at least {schema.least}"]
        return [
            fault
            for number, item in enumerate(value)
            for fault in faults(item, schema.item, f"{path}[{number}]")
        ]
    problem = schema(value)
    return [f"{path} {problem}"] if problem else []


def _faults_of_object(value: object, schema: Members, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} must be an object"]
    found = [
        f"{path}.{name} is not a member" for name in sorted(map(str, value.keys() - schema.checks.keys()))
    ]
    found += [f"{path}.{name} is missing" for name in sorted(schema.required - value.keys())]
    for group in schema.either:
        if len(group & value.keys()) != 1:
            found.append(f"{path} must have exactly one of {', '.join(sorted(group))}")
    for name, check in schema.checks.items():
        if name in value:
            found += faults(value[name], check, f"{path}.{name}")
    return found


def matching(pattern: str) -> Check:
    """A text that matches as a whole."""
    compiled = re.compile(pattern)
    return lambda value: (
        None if isinstance(value, str) and compiled.fullmatch(value) else f"must be a text like {pattern}"
    )


def text(limit: int = 1_000_000) -> Check:
    """A text, not empty."""
    return lambda value: (
        None
        if isinstance(value, str) and 0 < len(value) <= limit
        else f"must be a text of 1 to {limit} characters"
    )


def one_of(*allowed: object) -> Check:
    """One of a few values of the same type."""
    return lambda value: (
        None
        if any(type(value) is type(each) and value == each for each in allowed)
        else f"must be one of {', '.join(map(str, allowed))}"
    )


def number(least: float, most: float, multiple: float | None = None) -> Check:
    """A number within the limits; a multiple of `multiple`, if that is given."""

    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            return f"must be a number from {least:g} to {most:g}"
        if multiple and abs(value / multiple - round(value / multiple)) > 1e-9:
            return f"must be a multiple of {multiple:g}"
        return None

    return check


def flag(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "must be true or false"


def texts_by_name(value: object) -> str | None:
    """An object whose values are texts: unquoted numbers and booleans of YAML are faults."""
    right = isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair)
    return None if right else "must have texts as values: quote numbers and booleans"


def anything(value: Any) -> None:  # noqa: ANN401 - a check like the others
    """No check."""
