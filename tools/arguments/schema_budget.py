"""Whether a JSON Schema from outside is well formed, and small enough to be used.

The form is not checked by the metaschema: that takes a millisecond for each property, and a schema can make
its `uniqueItems` and regular expressions take minutes.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.exceptions import InvalidAnchor, NoSuchAnchor, PointerToNowhere, Unresolvable
from referencing.jsonschema import specification_with

from identity.printable import printable_line
from identity.transport.json_size import TooLargeError, check_size

MAX_SUBSCHEMAS: Final = 1_000
"""After each `$ref` is replaced by its target."""
MAX_DEPTH: Final = 32
"""Levels of nested subschemas, references followed."""
MAX_CHARACTERS: Final = 32 * 1024
MAX_EXPRESSIONS: Final = 1_000
"""Characters of regular expressions. Compiling takes up to a millisecond for each character set."""
_DRAFTS: Final = (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)


_MAX_REFERENCE: Final = 100


class MalformedSchemaError(ValueError):
    """A schema that cannot be used as it is written. Its text has no more of the schema than the names of
    keywords and, on one line, a reference.
    """


def checked_draft(schema: Mapping[str, Any]) -> type[Validator]:
    """Checks `schema` and returns the validator of its draft; without `$schema`, of draft 2020-12.

    Raises `TooLargeError` beyond the bounds above, and `MalformedSchemaError` or another `Exception` for a
    malformed schema: also for a reference to what it does not have, and for a keyword in the form of another
    draft, by which no call could be checked. References to other documents are not followed. A recursive
    schema passes: its depth depends on the arguments, which have bounds of their own.
    """
    check_size(schema, nodes=MAX_CHARACTERS // 2, depth=4 * MAX_DEPTH, characters=MAX_CHARACTERS)
    draft = validator_for(schema, default=Draft202012Validator)
    if draft not in _DRAFTS:
        raise MalformedSchemaError("a schema of a draft before 4")
    if _Walk(schema, draft).subschemas() > MAX_SUBSCHEMAS:
        raise TooLargeError(f"it has more than {MAX_SUBSCHEMAS} subschemas, references followed")
    return draft


class _Walk:
    """Counts subschemas as if each reference were replaced by its target. Each is visited once."""

    def __init__(self, schema: Mapping[str, Any], draft: type[Validator]) -> None:
        self._schema = schema
        self._specification = specification_with(str(draft.META_SCHEMA.get("$schema", "")))
        root: Resource[Any] = self._specification.create_resource(schema)
        self._resolver = Registry[Any]().resolver_with_root(root)
        self._has_address = root.id() is not None
        self._forms = {**_FORMS, **_FORMS_OF.get(draft, _FORMS_SINCE_6)}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self._expressions = 0

    def subschemas(self) -> int:
        return self._size(self._schema, self._resolver, 1)[0]

    def _size(self, schema: Any, resolver: Any, level: int) -> tuple[int, int]:  # noqa: ANN401 - any JSON value; the type of resolvers is not public
        """The number of subschemas in `schema`, itself included, and the number of their levels."""
        if isinstance(schema, bool):
            return 1, 1
        if not isinstance(schema, dict):
            raise MalformedSchemaError("not a schema")
        if id(schema) in self._open:
            return 1, 1
        size = self._sizes.get(id(schema))
        if size is None:
            if level > MAX_DEPTH:
                raise TooLargeError(_TOO_DEEP)
            self._open.add(id(schema))
            size = self._size_within(schema, resolver, level)
            self._sizes[id(schema)] = size
            self._open.discard(id(schema))
        if level + size[1] - 1 > MAX_DEPTH:
            raise TooLargeError(_TOO_DEEP)
        return size

    def _size_within(self, schema: dict[str, Any], resolver: Any, level: int) -> tuple[int, int]:  # noqa: ANN401 - as above
        resolver = resolver.in_subresource(self._specification.create_resource(schema))
        count = 1
        levels = 1
        for keyword, value in schema.items():
            if (check := self._forms.get(keyword)) is not None and not check(value):
                raise MalformedSchemaError(f'the keyword "{keyword}" has the wrong form')
            if keyword in ("pattern", "patternProperties"):
                expressions = [value] if keyword == "pattern" else list(value)
                self._check_expressions(expressions)
            if keyword in _REFERENCES:
                try:
                    target = resolver.lookup(value)
                except Unresolvable as error:
                    if self._leads_elsewhere(value, error):
                        continue
                    shown = printable_line(value, _MAX_REFERENCE)
                    raise MalformedSchemaError(f'the reference "{shown}" leads nowhere') from None
                below = [(target.contents, target.resolver)]
            else:
                below = [(subschema, resolver) for subschema in subschemas(keyword, value)]
            for subschema, its_resolver in below:
                its_count, its_levels = self._size(subschema, its_resolver, level + 1)
                count += its_count
                levels = max(levels, its_levels + 1)
        return count, levels

    def _leads_elsewhere(self, reference: str, error: Unresolvable) -> bool:
        """Whether `reference` names another document; a relative one does by the address of the schema."""
        if isinstance(error, PointerToNowhere | NoSuchAnchor | InvalidAnchor):
            return False
        return self._has_address or bool(urlsplit(reference).scheme)

    def _check_expressions(self, expressions: list[str]) -> None:
        for expression in expressions:
            self._expressions += len(expression)
            if self._expressions > MAX_EXPRESSIONS:
                raise TooLargeError(f"more than {MAX_EXPRESSIONS} characters of regular expressions")
            if _INLINE_FLAGS.search(expression):
                raise MalformedSchemaError("not a regular expression of ECMA-262")
            try:
                re.compile(_of_python(expression))
            except (re.error, OverflowError, RecursionError):
                raise MalformedSchemaError("not a regular expression") from None


def _of_python(expression: str) -> str:
    """An expression of ECMA-262 whose form Python can check: each construct of which Python knows nothing is
    one that is like it. None is ever matched.
    """
    return _ONLY_IN_ECMA.sub(lambda found: _LIKE_IT.get(found.lastgroup or "", found[0]), expression)


_ONLY_IN_ECMA: Final = re.compile(
    r"(?P<character>\\(?:[pP]\{[^}]+\}|u\{[0-9a-fA-F]+\}|c[A-Za-z]|k<\w+>))"
    r"|\\.|(?P<group>\(\?<(?![=!])\w+>)",
    re.DOTALL,
)
_LIKE_IT: Final = {"character": "x", "group": "("}
_INLINE_FLAGS: Final = re.compile(r"\(\?[aiLmsux-]")
"""Python's own; with "ignore case" a character set takes many times longer to compile."""
_TOO_DEEP: Final = f"its subschemas are nested deeper than {MAX_DEPTH} levels, references followed"
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ONE: Final = frozenset(
    {"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items"}
    | {"not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)
_LISTS: Final = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
_MAPS: Final = frozenset(["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"])


def subschemas(keyword: str, value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """The schemas in the value of a keyword that has the form of `_FORMS`."""
    if keyword in _LISTS or (keyword == "items" and isinstance(value, list)):
        return list(value)
    if keyword in _MAPS:
        return list(value.values())
    if keyword == "dependencies":
        return [dependency for dependency in value.values() if not _texts(dependency)]
    return [value] if keyword in _ONE else []


_TYPES: Final = frozenset(["array", "boolean", "integer", "null", "number", "object", "string"])


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    """A whole number may be written as a decimal: 2.0."""
    if isinstance(value, float):
        return value.is_integer() and value >= 0
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _types(value: object) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in _TYPES for name in names)


_Form = Callable[[Any], bool]
_FORMS: Final[Mapping[str, _Form]] = {
    **dict.fromkeys(("$anchor", "$dynamicAnchor", "$id", "$ref", "$dynamicRef", "$recursiveRef"), _text),
    **dict.fromkeys(("$comment", "description", "format", "id", "pattern", "title"), _text),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "maxContains"), _count),
    **dict.fromkeys(("minItems", "minLength", "minProperties", "minContains"), _count),
    **dict.fromkeys(("maximum", "minimum"), _number),
    **dict.fromkeys(_LISTS, lambda v: isinstance(v, list) and bool(v)),
    **dict.fromkeys((*_MAPS, "dependencies"), lambda v: isinstance(v, dict)),
    "dependentRequired": lambda v: isinstance(v, dict) and all(map(_texts, v.values())),
    "enum": lambda v: isinstance(v, list),
    "multipleOf": lambda v: _number(v) and v > 0,
    "required": _texts,
    "type": _types,
    "uniqueItems": lambda v: isinstance(v, bool),
}
_LIMITS: Final = ("exclusiveMaximum", "exclusiveMinimum")
_FORMS_SINCE_6: Final[Mapping[str, _Form]] = dict.fromkeys(_LIMITS, _number)
_FORMS_OF: Final[Mapping[type[Validator], Mapping[str, _Form]]] = {
    Draft4Validator: {
        **dict.fromkeys(_LIMITS, lambda v: isinstance(v, bool)),
        "items": lambda v: not isinstance(v, bool),
    },
    Draft202012Validator: {**_FORMS_SINCE_6, "items": lambda v: not isinstance(v, list)},
}
"""What one draft has in another form than the others."""
