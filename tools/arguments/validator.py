"""Validates the arguments of a tool call against a JSON Schema, within bounds.

Neither side is trusted: a server chooses the schema, the model the arguments, and a few hundred bytes of each
can require years of computation. Each keyword that is evaluated, and each fault, costs steps.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any, Final, cast

import attrs
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from identity.transport.json_size import TooLargeError, count_values
from tools.arguments.fault import ArgumentFault, size_fault
from tools.arguments.schema_budget import checked_draft

MAX_STEPS: Final = 20_000
"""Steps of one call: about a tenth of a second, in which nothing else runs."""
MAX_LEVELS: Final = 120
"""Levels of nested keywords. Below Python's recursion limit, at which the Rust parts of the library panic."""
_STEPS_OF_A_FAULT: Final = 5
_MAX_FAULTS: Final = 5
_MAX_MESSAGE: Final = 300
_Keyword = Callable[[Any, Any, Any, Any], Any]


class BoundedValidator:
    """Validates arguments against a schema from outside. An integer is written as one: `1.0` is none.

    Not checked: regular expressions, because one may take years to match, `unevaluatedItems`,
    `unevaluatedProperties`, and what a `$ref` to another document says, because nothing is fetched.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises what `checked_draft` does, and `TooLargeError` if the schema is endless for no arguments."""
        draft = _bounded(checked_draft(schema))
        # An empty registry: a server's `$ref` must not make the agent fetch anything.
        self._validator: Validator = draft(schema, registry=Registry())
        self._faults({})

    def faults(self, arguments: Mapping[str, Any]) -> list[ArgumentFault]:
        """The faults of `arguments`. It is a fault if they cannot be checked."""
        if (fault := size_fault(arguments)) is not None:
            return [fault]
        try:
            return self._faults(dict(arguments))
        except (TooLargeError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return [ArgumentFault("", "they cannot be checked against the schema of this tool")]

    def _faults(self, value: Any) -> list[ArgumentFault]:  # noqa: ANN401 - any JSON value
        reset = _STEPS.set(_Steps())
        try:
            errors = list(islice(self._validator.iter_errors(value), _MAX_FAULTS))
        finally:
            _STEPS.reset(reset)
        return [ArgumentFault(_path(error), error.message[:_MAX_MESSAGE]) for error in errors]


def _path(error: ValidationError) -> str:
    """The path of the argument; of one that is missing, or that there is not, its own."""
    path = list(map(str, error.absolute_path))
    expected = error.validator_value
    names: list[str] = []
    if error.validator == "required" and isinstance(expected, list):
        names = [name for name in expected if error.message.startswith(repr(name))]
    elif error.validator == "additionalProperties" and isinstance(error.instance, dict):
        properties = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        names = [str(name) for name in error.instance if name not in properties]
    return ".".join([*path, *names[:1]])[:_MAX_MESSAGE]


class _Steps:
    """The steps that remain for one check."""

    def __init__(self) -> None:
        self._left = MAX_STEPS
        self._levels = 0
        self.deciding = 0
        """The keywords of `_DECIDING` that are being checked, one within the other."""

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooLargeError(f"more than {MAX_STEPS} steps")

    @contextmanager
    def level(self) -> Iterator[None]:
        self._levels += 1
        try:
            if self._levels > MAX_LEVELS:
                raise TooLargeError("it refers to itself without end")
            yield
        finally:
            self._levels -= 1


_STEPS: ContextVar[_Steps] = ContextVar("steps")
_DECIDING = frozenset({"not", "oneOf", "if", "contains"})
"""Of a schema that is not known, they would make a fault of a value that may be right."""


@cache
def _bounded(draft: type[Validator]) -> type[Validator]:
    """`draft`, whose keywords count their steps, without the keywords whose work cannot be bounded."""
    keywords = {name: _counted(name, keyword) for name, keyword in draft.VALIDATORS.items()}
    expressive = ("pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties")
    keywords |= dict.fromkeys(expressive, _nothing) | {"uniqueItems": _unique}
    counted = keywords["additionalProperties"]

    def additional(validator: object, value: object, instance: object, schema: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
        if "patternProperties" not in schema:
            yield from counted(validator, value, instance, schema)

    types = draft.TYPE_CHECKER.redefine("integer", _is_integer)
    bounded: Any = extend(draft, {**keywords, "additionalProperties": additional}, type_checker=types)  # type: ignore[no-untyped-call]  # jsonschema gives it no types
    # Its own `evolve` uses the draft that a subschema names in `$schema`, which is not bounded.
    bounded.evolve = attrs.evolve
    return cast(type[Validator], bounded)


def _is_integer(_: object, value: object) -> bool:
    """JSON Schema takes 1.0 for an integer too, and a service may take it for another value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _counted(name: str, keyword: _Keyword) -> _Keyword:
    size_of = count_values if name in ("const", "enum") else _length

    def check(validator: object, value: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
        steps = _STEPS.get()
        steps.spend(1 + _length(instance) // 4 + size_of(value) // 4)
        is_reference = name.endswith(("ref", "Ref"))
        if is_reference:
            steps.spend(4)
        decides = name in _DECIDING
        # What refers to another document is not checked: of keywords that decide by it, the outermost one.
        is_skipped_whole = (is_reference or decides) and not steps.deciding
        steps.deciding += decides
        try:
            with steps.level(), suppress(Unresolvable) if is_skipped_whole else nullcontext():
                for error in keyword(validator, value, instance, schema) or ():
                    steps.spend(_STEPS_OF_A_FAULT + len(error.message) // 64)
                    yield error
        finally:
            steps.deciding -= decides

    return check


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _nothing(*_: object) -> Iterator[Any]:
    return iter(())


def _unique(validator: object, value: object, instance: object, schema: object) -> Iterator[Any]:  # noqa: ARG001 - a keyword's shape
    """The library compares every item with every other."""
    if not value or not isinstance(instance, list):
        return
    steps = _STEPS.get()
    texts: set[str] = set()
    for item in instance:
        text = json.dumps(_by_value(item), sort_keys=True)
        steps.spend(1 + len(text) // 32)
        if text in texts:
            yield ValidationError("the items are not unique")
            return
        texts.add(text)


def _by_value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value`, with equal numbers in one form."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_by_value(item) for item in value]
    if isinstance(value, dict):
        return {name: _by_value(member) for name, member in value.items()}
    return value
