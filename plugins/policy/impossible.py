"""Faults of a rule: an unknown annotation, a name that no call has, a value that never occurs.

Cedar's validator accepts these, because they fail no evaluation: a rule with a misspelled name is one that is
never satisfied, so that a `forbid` forbids nothing. Not noticed: a text that no call has in a member whose
texts are open, such as a claim, and two conditions of which each is possible and both together are not.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from cedarpy import Schema, validate_policies

from graph.labels.data_labels import CLIENT
from identity.principal import AccessIdentity
from plugins.policy.schema import RecordType, ToolAction, Vocabulary, input_type, member_schema
from plugins.policy.statement import Statement, nodes
from tools.lasting import LONGEST_SECONDS

Path: TypeAlias = tuple[str, ...]

_ANNOTATIONS: Final = {"id": True, "sum": True, "observe": False}
"""The annotations that a rule may have, and whether each has a value."""
_TODAY: Final = ("context", "today")
_MEMBERS: Final[Mapping[Path, frozenset[str]]] = {
    ("context",): frozenset(
        {"input", "identity", "approved", "approver", "authAge", "consent", "now", "read", "today"}
    ),
    ("context", "now"): frozenset({"time", "minute", "weekday"}),
    ("context", "read"): frozenset({"confidential", "untrusted", "services"}),
    _TODAY: frozenset({"count", "sum"}),
    ("context", "consent"): frozenset({"lasting", "seconds"}),
    ("resource",): frozenset(),
    ("action",): frozenset(),
}
"""The members of the records that all calls have."""
_PEOPLE: Final = (("principal",), ("context", "approver"))
_INPUT: Final = ("context", "input")
_SERVICES: Final = ("context", "read", "services")
_IDENTITY: Final = ("context", "identity")
_IDENTITIES: Final = (*(identity.value for identity in AccessIdentity), "None")
_RANGES: Final[Mapping[Path, tuple[int, int | None]]] = {
    ("context", "now", "weekday"): (1, 7),
    ("context", "now", "minute"): (0, 24 * 60 - 1),
    ("context", "today", "count"): (1, None),
    ("context", "authAge"): (0, None),
    ("context", "consent", "seconds"): (0, LONGEST_SECONDS),
}
"""The least and the largest number of a member; `None`: there is none."""
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONTAINING: Final = frozenset({"contains", "containsAll", "containsAny"})
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def faults_of(statement: Statement, actions: Sequence[ToolAction], vocabulary: Vocabulary) -> Iterator[str]:
    """The faults of a rule about calls of `actions`, none of whose tools is unknown. Without any, only what
    is the same for all calls is a fault.
    """
    yield from _annotations(statement)
    for node in nodes(statement.form["conditions"]):
        for kind, operands in node.items():
            if kind == "has":
                yield from _absent(operands, actions, vocabulary)
            elif kind in _COMPARISONS or kind in _CONTAINING:
                yield from _compared(kind, operands, actions, vocabulary)
            elif kind == "like":
                yield from _unlike(operands)
    scope = statement.form["resource"]
    named = scope.get("entity", {}).get("id")
    if named is not None and actions and all(named != action.service for action in actions):
        yield f'no tool of the rule is of the service "{named}"'


def never_satisfied(statements: Sequence[Statement], schema: Schema) -> list[Statement]:
    """The statements that are satisfied by no call of `schema`, whose action their scopes include.

    Cedar does not check what follows a condition that is always false: a further one, which is no condition,
    is accepted only there. Each of `statements` must be valid.
    """
    texts = (f"{statement.text.rstrip().removesuffix(';')} when {{ 1 }};" for statement in statements)
    result = validate_policies("\n".join(texts), schema, release_gil=True)
    possible = {error.policy_id for error in result.errors}
    return [statement for number, statement in enumerate(statements) if f"policy{number}" not in possible]


def _annotations(statement: Statement) -> Iterator[str]:
    for name, value in statement.annotations.items():
        if name not in _ANNOTATIONS:
            known = ", ".join(f"@{annotation}" for annotation in _ANNOTATIONS)
            yield f"@{name} is unknown; there are {known}"
        elif _ANNOTATIONS[name] and not value:
            yield f'@{name} must have a value: @{name}("…")'
        elif value and not _ANNOTATIONS[name]:
            yield f"@{name} must have no value: without it, the rule is in force"


def _path(node: object) -> Path | None:
    """The names that lead to a member, such as `context.now.minute`; `None` for another expression."""
    match node:
        case {"Var": str(name)}:
            return (name,)
        case {".": {"left": left, "attr": str(name)}}:
            within = _path(left)
            return None if within is None else (*within, name)
    return None


def _absent(
    operands: Mapping[str, Any], actions: Sequence[ToolAction], vocabulary: Vocabulary
) -> Iterator[str]:
    """A fault if the record before `has` has no such member in any call."""
    within = _path(operands["left"])
    attribute = operands["attr"]
    names = [attribute] if isinstance(attribute, str) else attribute
    for name in names:
        if within is None:
            return
        members: frozenset[str] | None = _MEMBERS.get(within)
        if within == _TODAY:
            members = _MEMBERS[_TODAY] | vocabulary.facts_of_today.keys()
        elif within in _PEOPLE:
            members = frozenset(vocabulary.attributes)
        elif within[:2] == _INPUT and actions:
            records = (_record(action, within[2:]) for action in actions)
            members = frozenset[str]().union(*(record.members for record in records if record is not None))
        if members is not None and name not in members:
            there = f"there are {', '.join(sorted(members))}" if members else "it has no members"
            yield f'{".".join(within)} never has "{name}": {there}'
            return
        within = (*within, name)


def _record(action: ToolAction, path: Path) -> RecordType | None:
    """The type of the record at `path` in the arguments; `None` if there is no record."""
    reached: object = input_type(action.parameters)
    for name in path:
        reached = reached.members.get(name, (None,))[0] if isinstance(reached, RecordType) else None
    return reached if isinstance(reached, RecordType) else None


def _compared(
    kind: str, operands: Mapping[str, Any], actions: Sequence[ToolAction], vocabulary: Vocabulary
) -> Iterator[str]:
    """Faults of a member that is compared to literals which it never is."""
    left = operands["left"]
    right = operands["right"]
    compares = kind if kind in _COMPARISONS else "=="
    for member, literals, comparison in (
        (left, right, compares),
        (right, left, _MIRRORED.get(compares, compares)),
    ):
        path = _path(member)
        values = _literals(literals)
        if path is None or not values:
            continue
        if bounds := _RANGES.get(path):
            yield from _out_of_range(path, comparison, values, bounds)
        elif (possible := _texts(path, actions, vocabulary)) is not None:
            for value in values:
                if isinstance(value, str) and value not in possible:
                    there = ", ".join(f'"{name}"' for name in sorted(possible))
                    yield f'{".".join(path)} is never "{value}": there are {there}'


def _literals(node: object) -> list[object]:
    """The values of a literal, or of a set of literals."""
    match node:
        case {"Value": value}:
            return [value]
        case {"Set": elements}:
            return [value for element in elements for value in _literals(element)]
    return []


def _out_of_range(
    path: Path, comparison: str, values: Sequence[object], bounds: tuple[int, int | None]
) -> Iterator[str]:
    """A fault for each number that no call has, or with which no call compares."""
    least, largest = bounds
    there = f"is {least} or more" if largest is None else f"is from {least} to {largest}"
    for value in values:
        if type(value) is not int:
            continue
        most = max(least, value) + 1 if largest is None else largest
        candidates = [candidate for candidate in (least, value, most) if least <= candidate <= most]
        possible = any(_COMPARISONS[comparison](candidate, value) for candidate in candidates)
        if not possible or not least <= value <= most + 1:
            yield f"{'.'.join(path)} {there}, and is compared to {value}"


def _texts(path: Path, actions: Sequence[ToolAction], vocabulary: Vocabulary) -> frozenset[str] | None:
    """All texts that a member can be, or have as an element; `None`: any."""
    if path == _IDENTITY:
        return frozenset(_IDENTITIES)
    if path == _SERVICES:
        return None if vocabulary.has_own_nodes else frozenset({*vocabulary.services, CLIENT})
    if path[:2] != _INPUT or not actions:
        return None
    texts: set[str] = set()
    for action in actions:
        schema = member_schema(action.parameters, path[2:])
        if schema is None:  # the tool has no such argument
            continue
        if (choices := schema.get("enum", [schema["const"]] if "const" in schema else None)) is None:
            return None
        texts.update(choice for choice in choices if isinstance(choice, str))
    return frozenset(texts) or None


def _unlike(operands: Mapping[str, Any]) -> Iterator[str]:
    """A fault of a pattern that no identity matches."""
    if _path(operands["left"]) != _IDENTITY:
        return
    parts = (".*" if part == "Wildcard" else re.escape(part["Literal"]) for part in operands["pattern"])
    pattern = "".join(parts)
    if not any(re.fullmatch(pattern, identity) for identity in _IDENTITIES):
        yield f"context.identity is like no such pattern: there are {', '.join(_IDENTITIES)}"
