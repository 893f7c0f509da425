"""The schema of what a tool returns, and the value of a result.

The value is read from the text of the result, where it is needed. So whatever redacts, withholds, changes or
cuts the text on its way does the same to the value, and a result that is read again has it too. A server's
structured content that its texts do not have is added to the text.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from pydantic_core import to_json

from identity.transport.json_size import TooLargeError, read_json
from tools.arguments.schema_budget import MAX_CHARACTERS, MalformedSchemaError, checked_draft, subschemas
from tools.arguments.validator import BoundedValidator
from tools.result import MAX_CHARACTERS as MAX_TEXT
from tools.result import was_cut

WRAPPED: Final = "result"
"""The member that has the value of a tool which returns no object: clients of MCP expect one."""
_UNCHECKED: Final = frozenset(
    ("pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties", "$id", "id")
) | {"$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef"}
"""Whether a value fits them is not known (`BoundedValidator`), or they change what a reference means."""
_PROSE: Final = frozenset({"$comment", "default", "description", "examples", "title"})
_DEFINITIONS: Final = ("$defs", "definitions")
_MAX_VALUES: Final = 1_000
"""JSON values, one after the other, that are a list."""
_MAX_LINES: Final = 32
_MAX_JSON_LINES: Final = 3
"""Lines, from the last, among which the value is looked for; and those of them that are JSON."""
_DECODER: Final = json.JSONDecoder()


class ResultSchema:
    """A schema that a client of MCP can rely on: each value that `value_in` returns fits it.

    A schema of no object becomes one of an object with the member `result`. `format` is left out, because it
    is not checked.
    """

    def __init__(self, schema: Mapping[str, Any], *, prose: bool = True) -> None:
        """Without `prose`, texts that people read are left out: those of a server, which may change them.

        Raises `ValueError` for a schema that is malformed, too large, or by which not every value can be
        checked.
        """
        if len(to_json(schema)) > MAX_CHARACTERS:
            raise TooLargeError(f"it has more than {MAX_CHARACTERS} bytes")
        checked_draft(schema)
        own = json.loads(to_json(schema))
        references = _tidied(own, {"format"} if prose else {"format", *_PROSE})
        self._of_object: Final = own.get("type") == "object"
        self.schema: Final[Mapping[str, Any]] = own if self._of_object else _wrapped(own, references)
        """With the type `object`."""
        self._is_wrapped: Final = list(self.schema.get("properties", ())) == [WRAPPED]
        self._validator: Final = BoundedValidator(self.schema)

    def value_in(self, text: str) -> dict[str, Any] | None:
        """The value that a result with `text` has; `None`: it has none that fits, as one that was cut."""
        if was_cut(text):
            return None
        for candidate in _candidates(text):
            if isinstance(candidate, dict) and self._fits(candidate):
                return candidate
            if self._is_wrapped and self._fits({WRAPPED: candidate}):
                return {WRAPPED: candidate}
        return None

    def text_with(self, text: str, value: object, *, followed: bool = False) -> str:
        """`text`, with a line for the `value` of the tool if `value_in` would not find it there.

        `followed`: other lines may be added after the text. What does not fit the schema is not added.
        """
        if not self._of_object:
            value = {WRAPPED: value}
        if len(text) > MAX_TEXT or not isinstance(value, dict) or not self._fits(value):
            return text
        read = self.value_in(f"{text}\n-" if followed else text)
        if json.dumps(read, sort_keys=True) == json.dumps(value, sort_keys=True):
            return text
        return "\n".join(filter(None, [text, to_json(value).decode()]))

    def _fits(self, value: dict[str, Any]) -> bool:
        return not self._validator.faults(value)


def result_schema_of(schema: object, *, prose: bool = True) -> ResultSchema | None:
    """See `ResultSchema`; `None` for what cannot be one."""
    if not isinstance(schema, Mapping):
        return None
    try:
        return ResultSchema(schema, prose=prose)
    except Exception:  # noqa: BLE001 - the library raises many kinds for a schema from outside
        return None


def _tidied(schema: dict[str, Any], without: set[str]) -> list[str]:
    """Takes the keywords `without` out of `schema`, which is well formed. Returns its references.

    Raises `MalformedSchemaError` for a keyword that is not checked.
    """
    references: list[str] = []
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            continue
        if unchecked := _UNCHECKED & node.keys():
            raise MalformedSchemaError(f'the keyword "{min(unchecked)}" is not checked')
        if node is not schema and "$schema" in node:
            raise MalformedSchemaError("it has another draft within")
        if "$ref" in node:
            references.append(node["$ref"])
        for keyword in without & node.keys():
            del node[keyword]
        for keyword, value in node.items():
            pending.extend(subschemas(keyword, value))
    if not all(reference.startswith("#") for reference in references):
        raise MalformedSchemaError("it refers to another document")
    return references


def _wrapped(schema: dict[str, Any], references: list[str]) -> dict[str, Any]:
    """The schema of an object whose `result` has `schema`. Definitions stay where they are referred to."""
    prefixes = tuple(f"#/{name}/" for name in _DEFINITIONS)
    if not all(reference.startswith(prefixes) for reference in references):
        raise MalformedSchemaError("it refers to a part of itself")
    root = {name: schema.pop(name) for name in ("$schema", *_DEFINITIONS) if name in schema}
    return root | {"type": "object", "properties": {WRAPPED: schema}, "required": [WRAPPED]}


def _candidates(text: str) -> Iterator[Any]:
    """What the value of a result with `text` may be, the most likely first."""
    values = _json_values(text)
    if len(values) == 1:
        yield values[0]
    if values:
        yield values
    lines = [line for line in text.splitlines()[-_MAX_LINES:] if line.startswith(("{", "["))]
    for line in reversed(lines[-_MAX_JSON_LINES:]):
        with suppress(ValueError):
            yield read_json(line)
    yield text


def _json_values(text: str) -> list[Any]:
    """The JSON values of which `text` consists, one after the other; empty if it is something else."""
    values: list[Any] = []
    rest = text.strip()
    while rest:
        try:
            _, end = _DECODER.raw_decode(rest)
            values.append(read_json(rest[:end]))
        except (ValueError, RecursionError):
            return []
        if len(values) > _MAX_VALUES:
            return []
        rest = rest[end:].lstrip()
    return values
