"""A tool's arguments: what kind of value each takes, by its schema, its name or its description."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio.planner.conversation import Tool
from sandbox.model_studio.planner.language import LANGUAGE, found, rows, words_of

_POINTS = ("longitude", "latitude", "point")
_PLACES = (*_POINTS, "address", "city", "other")
_VAGUE = ("number", "code", "keywords")
FORMS = {"number": r"^-?\d+(\.\d+)?$", "code": r"\d", "keywords": ".", "message": ".", "other": "."}
"""The kinds of value that a text may call by the argument's name, and what they look like."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument, or the items of one that `is_list`; `end` of a way or a time that it names."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    kind: str
    end: str
    is_list: bool

    @property
    def sources(self) -> Sequence[str]:
        """Where in a text its values are (`Reading.values`), the best source first."""
        if self.end and self.kind in _PLACES:
            return [f"{self.end}_city" if self.kind == "city" else self.end]
        if not self.required and self.kind != "message":
            return [] if self.kind in _VAGUE else [self.kind]
        quoted = ["quoted"] if self.kind in (*_PLACES, "code", "keywords", "message") else []
        rest = ["rest"] if self.kind in ("address", "city", "other") else []
        return [*quoted, self.kind, *rest]

    def is_place(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Whether coordinates are wanted, and the value is a place that is to be located."""
        return self.kind in _POINTS and not found("point", value)

    def typed(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The value in the type of the schema; of coordinates the half that is wanted."""
        if self.is_place(value):
            return value
        if self.kind in _POINTS:
            point = re.sub(r"\s*[,，]\s*", ",", value)
            value = (*point.split(","), point)[_POINTS.index(self.kind)]
        if self.kind == "length":
            number, unit = re.findall(r"[\d.]+|[^\d.\s]+", value)
            value = str(round(float(number) * (1000 if unit.lower()[0] in "k公千" else 1)))
        if self.schema.get("type") == "integer":
            return int(float(value))
        return float(value) if self.schema.get("type") == "number" else value


def arguments_of(tool: Tool) -> list[Argument]:
    """All arguments of a tool, in its order."""
    return [_argument(n, schema, n in tool.required) for n, schema in tool.properties.items()]


def _argument(name: str, schema: Mapping[str, Any], required: bool) -> Argument:
    """By the schema; an array of texts or numbers by that of its items."""
    items = schema.get("items")
    is_list = isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number")
    if isinstance(items, Mapping) and is_list:
        schema = {"description": schema.get("description", ""), **items}
    words, description = " ".join(words_of(name)), str(schema.get("description", ""))
    type_ = str(schema.get("type")).replace("integer", "number")
    by_name, by_description = rows("kinds", words), rows("kinds", description)
    kinds = [
        *(["enum"] if schema.get("enum") else []),
        *[kind for kind in by_name if kind in _POINTS],
        *[kind for kind in ("boolean", "number", "object", "array") if kind == type_],
        *[kind for kind in by_description[:1] if kind in ("point", "iso_month")],
        *by_name,
        *by_description,
        "other",
    ]
    patterns = LANGUAGE["ends"].items()
    ends = [end for text in (words, description) for end, p in patterns if re.search(p, text)]
    return Argument(name, schema, required, kinds[0], next(iter(ends), ""), is_list)
