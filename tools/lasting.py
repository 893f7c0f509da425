"""For how long, and for which arguments, an approval counts for further calls of a tool."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

LONGEST_SECONDS: Final = 86_400
_MAX_VALUES: Final = 100
_MEMBERS: Final = frozenset({"seconds", "conversation_only", "bounds", "display"})
"""Members of an answer. `display` is what a client was shown, and is not read."""


Bound: TypeAlias = Mapping[str, Any]
"""The values of one argument: `{"equal": …}`, `{"one_of": […]}`, `{"min": 0, "max": 500}` or
`{"prefix": "P-"}`.

A value of another type is not covered: `true` is not 1, `1.0` is not 1, and only numbers are between numbers.
Texts are compared character by character.
"""


@dataclass(frozen=True, slots=True)
class Lasting:
    """The calls that an operator or a policy offers at most, or that a person chooses of them: each argument
    has a bound that covers it. They last for `seconds`, in one conversation or in all of the person's.

    Raises `ValueError` unless `seconds` is from 1 to 86,400, and for a bound of another form: also for a
    range with one end, and for an empty prefix or list.
    """

    seconds: int
    conversation_only: bool = True
    bounds: Mapping[str, Bound] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.seconds) is not int or not 1 <= self.seconds <= LONGEST_SECONDS:
            raise ValueError(f"seconds must be a whole number from 1 to {LONGEST_SECONDS}")
        if type(self.conversation_only) is not bool:
            raise ValueError("conversation_only must be true or false")
        for bound in self.bounds.values():
            _check(bound)

    def covers(self, arguments: Mapping[str, Any]) -> bool:
        """Whether each argument has a bound that covers it, and no bound lacks its argument."""
        return arguments.keys() == self.bounds.keys() and all(
            _covers(self.bounds[name], value) for name, value in arguments.items()
        )

    @property
    def example(self) -> dict[str, Any]:
        """Arguments that it covers."""
        return {name: _example(bound) for name, bound in self.bounds.items()}

    def offered_for(self, arguments: Mapping[str, Any]) -> "Lasting":
        """The offer in a question about `arguments`: an argument whose bound is not declared, or does not
        cover it, is offered as it is.
        """
        bounds: dict[str, Bound] = {}
        for name, value in arguments.items():
            bound = self.bounds.get(name)
            if bound is None or not _covers(bound, value):
                bound = {"equal": value}
            bounds[name] = bound
        return Lasting(self.seconds, self.conversation_only, bounds)

    def is_within(self, wide: "Lasting") -> bool:
        """Whether `wide`, with bounds of the same arguments, covers all that this does."""
        within = all(_is_within(bound, wide.bounds[name]) for name, bound in self.bounds.items())
        return within and self.seconds <= wide.seconds and self.conversation_only >= wide.conversation_only

    def narrowed(self, chosen: object) -> "Lasting":
        """The offer as a person has narrowed it: a member or bound that `chosen` lacks is as offered.

        Raises `ValueError` if `chosen` is wider in any respect, or has another form.
        """
        if not isinstance(chosen, Mapping) or not chosen.keys() <= _MEMBERS:
            raise ValueError("has another form than the offer")
        bounds = chosen.get("bounds", {})
        if not isinstance(bounds, Mapping) or not bounds.keys() <= self.bounds.keys():
            raise ValueError("bounds an argument that the call does not have")
        narrow = Lasting(
            chosen.get("seconds", self.seconds),
            chosen.get("conversation_only", self.conversation_only),
            {**self.bounds, **bounds},
        )
        if not narrow.is_within(self):
            raise ValueError("is more than what was offered")
        return narrow


def _check(bound: object) -> None:
    """Raises `ValueError` for what is no `Bound`."""
    match bound:
        case {"equal": _, **others} if not others:
            return
        case {"one_of": [_, *_] as values, **others} if not others and len(values) <= _MAX_VALUES:
            return
        case {"prefix": str(prefix), **others} if prefix and not others:
            return
        case {"min": low, "max": high, **others} if not others:
            if _is_number(low) and _is_number(high) and low <= high:
                return
    if not isinstance(bound, Mapping):
        raise ValueError("a bound must be an object")  # noqa: TRY004 - one kind of error for the caller
    raise ValueError('a bound must be one of "equal", "one_of", "prefix", or "min" with "max"')


def _example(bound: Bound) -> Any:  # noqa: ANN401 - any JSON value
    """A value that `bound` covers."""
    kind, value = next(iter(bound.items()))
    return value[0] if kind == "one_of" else value


def _covers(bound: Bound, value: object) -> bool:
    """Whether `value`, which is JSON, is one of the values."""
    match bound:
        case {"equal": expected}:
            return _same(value, expected)
        case {"one_of": values}:
            return any(_same(value, expected) for expected in values)
        case {"prefix": prefix}:
            return isinstance(value, str) and value.startswith(prefix)
    return _is_number(value) and bool(bound["min"] <= value <= bound["max"])


def _is_within(bound: Bound, wide: Bound) -> bool:
    """Whether `wide` covers all values of `bound`."""
    match bound:
        case {"equal": value}:
            return _covers(wide, value)
        case {"one_of": values}:
            return all(_covers(wide, value) for value in values)
        case {"prefix": prefix}:
            return "prefix" in wide and _covers(wide, prefix)
    return "min" in wide and _covers(wide, bound["min"]) and _covers(wide, bound["max"])


def _same(value: object, expected: object) -> bool:
    return json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))
