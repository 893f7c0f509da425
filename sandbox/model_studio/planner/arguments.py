"""A tool's arguments: what kind of value each takes, by its schema, its name or its description."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio.planner.conversation import Tool
from sandbox.model_studio.planner.language import LANGUAGE, found, words_of

_POINTS = ("longitude", "latitude", "point")
_PLACES = (*_POINTS, "address", "city", "other")
_FORMS = {"number": r"^-?\d+(?:\.\d+)?$", "code": r"\d", "keywords": ".", "message": ".", "other": "."}


@dataclass(frozen=True, slots=True)
class Place:
    """A place whose coordinates an argument takes, before it is located."""

    name: str
    argument: "Argument"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument, or the items of one that `is_list`. `end` is the end of a way or a time that it names."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    kind: str
    end: str
    is_list: bool

    @classmethod
    def read(cls, name: str, schema: Mapping[str, Any], *, required: bool) -> "Argument":
        """By the schema; an array of texts or numbers by that of its items."""
        items = schema.get("items")
        is_list = isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number")
        if isinstance(items, Mapping) and is_list:
            schema = {"description": schema.get("description", ""), **items}
        words, description = " ".join(words_of(name)), str(schema.get("description", ""))
        form = f"{words}: {'enum' if schema.get('enum') else schema.get('type')}: {description}"
        kind = _first("formats", form) or _first("names", words, description) or "other"
        return cls(name, schema, required, kind, _first("ends", words, description), is_list)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where in a text its values are (`Reading.values`), the best source first."""
        if self.end and self.kind in _PLACES:
            return (f"{self.end}_city" if self.kind == "city" else self.end,)
        source = "point" if self.kind in _POINTS else self.kind
        if not self.required or not (self.kind in _PLACES or source in ("code", "keywords")):
            return (source,) if self.required or source not in ("number", "code") else ()
        return ("quoted", source, "rest") if source in ("address", "city", "other") else ("quoted", source)

    @property
    def form(self) -> str:
        """What a value looks like that a text calls by the argument's name; empty if it calls none so."""
        named = not self.is_list and self.sources[:1] != (self.end,)
        return _FORMS.get(self.kind, "") if named else ""

    def typed(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The value in the type of the schema; a place if coordinates are wanted."""
        if self.kind in _POINTS:
            if not found("point", value):
                return Place(value, self)
            value = (*value.split(","), value)[_POINTS.index(self.kind)]
        if self.schema.get("type") == "integer":
            return int(float(value))
        return float(value) if self.schema.get("type") == "number" else value


def arguments_of(tool: Tool) -> list[Argument]:
    """All arguments of a tool, in its order."""
    return [Argument.read(name, s, required=name in tool.required) for name, s in tool.properties.items()]


def _first(table: str, *texts: str) -> str:
    """The first row of patterns that is in the first possible text, or nothing."""
    return next((k for t in texts for k, p in LANGUAGE[table].items() if re.search(p, t, re.IGNORECASE)), "")
