"""Whether the arguments of a call say more than their user has written.

Every choice in a call carries data: a boolean, `null` in place of "", an empty list, which optional arguments
are there, the order of a list. So a call has one form that says nothing: required arguments with values that
the user has written, and every other argument left out or with its default.

What is left is the choice among the user's own words: for each required text or number at most log2(4 · p)
bits, and for a list three times that. p is the number of phrases that begin and end with a word of theirs and
have at most `MAX_VALUE` characters. Twenty words make 210 phrases: 10 bits.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from graph.labels.user_words import UserWords

MAX_ARGUMENTS: Final = 32
_MAX_ITEMS: Final = 3
_NUMBERS: Final = ("integer", "number")


def says_nothing_else(
    arguments: Mapping[str, Any], parameters: Mapping[str, Any] | None, words: UserWords
) -> bool:
    """Whether the form and the values of a call follow from `words` and the schema `parameters`.

    Without a schema, only a call without arguments does. An argument that the schema does not list has a name
    that says something.
    """
    if len(arguments) > MAX_ARGUMENTS:
        return False
    form = parameters or {}
    listed = _properties(form)
    required = form.get("required", ())
    for name, value in arguments.items():
        schema = listed.get(name)
        if not isinstance(schema, Mapping):
            return False
        if _is_fixed(value, schema):
            continue
        if name not in required or not _is_written(value, schema, words):
            return False
    return True


def has_written(arguments: Mapping[str, Any], parameters: Mapping[str, Any] | None, words: UserWords) -> bool:
    """Whether the user has written each text and number in `arguments`, whatever form the call has.

    A name that the schema `parameters` does not list is such a text; a default is none.
    """
    form = parameters or {}
    listed = _properties(form)
    chosen = {name: value for name, value in arguments.items() if not _is_fixed(value, listed.get(name))}
    texts = _texts(chosen, _names(form))
    return len(texts) <= MAX_ARGUMENTS and all(words.place(text) is not None for text in texts)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _names(schema: Mapping[str, Any]) -> set[str]:
    """The names that a schema lists, of arguments and of members within them."""
    names: set[str] = set()
    waiting: list[object] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            names.update(_properties(part))
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return names


def _texts(value: object, names: Collection[str]) -> Sequence[str]:
    """The texts and numbers within `value`, and the names of members that are not among `names`."""
    if isinstance(value, Mapping):
        others = [name for name in value if name not in names]
        return others + [text for member in value.values() for text in _texts(member, names)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, names)]
    if value is None or isinstance(value, bool) or value == "":
        return []
    return [str(value)]


def _is_fixed(value: object, schema: object) -> bool:
    """Whether `value` is the default, or the only one that there is."""
    if not isinstance(schema, Mapping):
        return False
    only = schema.get("enum")
    fixed = [schema[name] for name in ("default", "const") if name in schema]
    if isinstance(only, list) and len(only) == 1:
        fixed += only
    return any(_same(value, only_value) for only_value in fixed)


def _is_written(value: object, schema: Mapping[str, Any], words: UserWords) -> bool:
    kind = schema.get("type")
    if isinstance(value, list):
        items = schema.get("items")
        of_items = items if isinstance(items, Mapping) else {}
        return kind == "array" and _are_in_order(value, of_items, words)
    return _place(value, kind, words) is not None


def _are_in_order(values: Sequence[object], schema: Mapping[str, Any], words: UserWords) -> bool:
    """Whether the user has written all of a few `values`, in this order."""
    if not 1 <= len(values) <= _MAX_ITEMS:
        return False
    places = [_place(value, schema.get("type"), words) for value in values]
    written = [place for place in places if place is not None]
    return len(written) == len(values) and written == sorted(set(written))


def _place(value: object, kind: object, words: UserWords) -> int | None:
    """Where the user has written a text or number. A number that may be a text could be either."""
    if isinstance(value, str):
        return words.place(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or kind not in _NUMBERS:
        return None
    return words.place(str(value))


def _same(value: object, expected: object) -> bool:
    return json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)
