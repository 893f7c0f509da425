"""For how long, and for which arguments, an approval counts for further calls of a tool."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

LONGEST_SECONDS: Final = 86_400
_MAX_VALUES: Final = 100
_MEMBERS: Final = frozenset({"seconds", "conversation_only", "bounds", "display"})
"""Of an answer. The last one is what a client was shown, and is not read."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The values of one argument: `{"equal": …}`, `{"one_of": […]}`, `{"min": 0, "max": 500}` or
    `{"prefix": "P-"}`.

    A value of another type is not covered: `true` is not 1, `1.0` is not 1, and only numbers are between
    numbers. Texts are compared character by character.
    Raises `ValueError` for another form, for a range with one end, and for an empty prefix or list.
    """

    form: Mapping[str, Any]

    def __post_init__(self) -> None:
        match dict(self.form):
            case {"equal": _, **others} if not others:
                return
            case {"one_of": [_, *_] as values, **others} if not others and len(values) <= _MAX_VALUES:
                return
            case {"prefix": str(prefix), **others} if prefix and not others:
                return
            case {"min": low, "max": high, **others} if not others:
                if _is_number(low) and _is_number(high) and low <= high:
                    return
        raise ValueError('a bound must be one of "equal", "one_of", "prefix", or "min" with "max"')

    def covers(self, value: object) -> bool:
        """Whether `value`, which is JSON, is one of the values."""
        match self.form:
            case {"equal": expected}:
                return _same(value, expected)
            case {"one_of": values}:
                return any(_same(value, each) for each in values)
            case {"prefix": prefix}:
                return isinstance(value, str) and value.startswith(prefix)
        return _is_number(value) and bool(self.form["min"] <= value <= self.form["max"])

    def is_within(self, wide: "Bound") -> bool:
        """Whether `wide` covers all of its values."""
        match self.form:
            case {"equal": value}:
                return wide.covers(value)
            case {"one_of": values}:
                return all(map(wide.covers, values))
            case {"prefix": prefix}:
                return "prefix" in wide.form and wide.covers(prefix)
        return "min" in wide.form and wide.covers(self.form["min"]) and wide.covers(self.form["max"])


@dataclass(frozen=True, slots=True)
class Lasting:
    """What an operator or a policy offers at most, and what a person chooses of it: calls whose arguments all
    have a bound that covers them, for `seconds`, in one conversation or in all of the person's.

    Raises `ValueError` unless `seconds` is from 1 to 86,400.
    """

    seconds: int
    conversation_only: bool = True
    bounds: Mapping[str, Bound] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.seconds) is not int or not 1 <= self.seconds <= LONGEST_SECONDS:
            raise ValueError(f"seconds must be a whole number from 1 to {LONGEST_SECONDS}")
        if type(self.conversation_only) is not bool:
            raise ValueError("conversation_only must be true or false")

    def covers(self, arguments: Mapping[str, Any]) -> bool:
        """Whether each argument has a bound that covers it, and no bound lacks its argument."""
        return arguments.keys() == self.bounds.keys() and all(
            self.bounds[name].covers(value) for name, value in arguments.items()
        )

    @property
    def example(self) -> dict[str, Any]:
        """Arguments that it covers."""
        first = {name: next(iter(bound.form.items())) for name, bound in self.bounds.items()}
        return {name: value[0] if kind == "one_of" else value for name, (kind, value) in first.items()}

    def offered_for(self, arguments: Mapping[str, Any]) -> "Lasting":
        """What is offered with a question about `arguments`: an argument whose bound is not declared, or does
        not cover it, is offered as it is.
        """
        bounds = {
            name: bound
            if (bound := self.bounds.get(name)) is not None and bound.covers(value)
            else Bound({"equal": value})
            for name, value in arguments.items()
        }
        return Lasting(self.seconds, self.conversation_only, bounds)

    def is_within(self, wide: "Lasting") -> bool:
        """Whether `wide`, with bounds of the same arguments, covers all that this does."""
        within = all(bound.is_within(wide.bounds[name]) for name, bound in self.bounds.items())
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
        read = dict(self.bounds) | {name: Bound(_mapping(form)) for name, form in bounds.items()}
        narrow = Lasting(
            chosen.get("seconds", self.seconds), chosen.get("conversation_only", self.conversation_only), read
        )
        if not narrow.is_within(self):
            raise ValueError("is more than what was offered")
        return narrow

    def as_json(self) -> dict[str, Any]:
        """Its members, as clients and the store have them."""
        bounds = {name: dict(bound.form) for name, bound in self.bounds.items()}
        return {"seconds": self.seconds, "conversation_only": self.conversation_only, "bounds": bounds}

    @classmethod
    def of_json(cls, members: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        bounds = {name: Bound(_mapping(form)) for name, form in members["bounds"].items()}
        return cls(members["seconds"], members["conversation_only"], bounds)


def _mapping(form: object) -> Mapping[str, Any]:
    if not isinstance(form, Mapping):
        raise ValueError("a bound must be an object")  # noqa: TRY004 - one kind of error for the caller
    return form


def _same(value: object, expected: object) -> bool:
    return json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))
