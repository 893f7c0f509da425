"""A tool's arguments: what each is for, by the rules of `patterns.toml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.model_studio.planner.conversation import Tool
from sandbox.model_studio.planner.patterns import RULES, compiled


@dataclass(frozen=True, slots=True)
class Role:
    """A row of the rules. `form`: what a value looks like that the text names; `sources` of others."""

    name: str
    words: str = "(?!)"
    about: str = "(?!)"
    sources: tuple[str, ...] = ()
    form: str = ""
    plain: bool = False
    named: bool = False
    point: bool = False
    way: bool = False

    def fits(self, words: str, about: str) -> bool:
        """Whether the words of an argument's name, or its type and description, show the role."""
        return bool(compiled(rf"\b(?:{self.words})\b").search(words) or compiled(self.about).search(about))

    def at(self, end: str) -> "Role":
        """The same role of the end of a way."""
        source = f"{end}_city" if self.name == "city" else end
        return replace(self, sources=("point", source) if self.point else (source,), named=False)


_ROLES, _ENDS = (
    [Role(**row | {"sources": tuple(row.get("sources", ()))}) for row in RULES[table]]
    for table in ("roles", "ends")
)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument, or the items of one that `is_list`. `is_last`: it names the end of something."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    role: Role
    is_last: bool
    is_list: bool

    @classmethod
    def read(cls, name: str, schema: Mapping[str, Any], *, required: bool) -> "Argument":
        """By the schema; an array of texts or numbers by that of its items."""
        items = schema.get("items")
        is_list = False
        if isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number"):
            schema, is_list = {"description": schema.get("description", ""), **items}, True
        kind = "enum" if schema.get("enum") else schema.get("type")
        words, about = " ".join(words_of(name)), f"{kind} {schema.get('description')} {schema.get('pattern')}"
        role, end = (next(row for row in rows if row.fits(words, about)) for rows in (_ROLES, _ENDS))
        role = role.at(end.name) if role.way and end.name else role
        return cls(name, schema, required, role, end.name == "to", is_list)

    @property
    def defaults(self) -> list[Any]:
        """The value if none is found: the schema's default, `false`, or the only choice."""
        options = self.schema.get("enum", ())
        default = self.schema.get("default", False if self.role.name == "flag" else None)
        return list(options) if len(options) == 1 else [default] if default is not None else []

    def typed(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The value in the type of the schema; of a point the half that is wanted."""
        if self.role.name in ("longitude", "latitude"):
            value = value.split(",")[self.role.name == "latitude"]
        if self.schema.get("type") == "integer":
            return int(float(value))
        return float(value) if self.schema.get("type") == "number" else value


def arguments_of(tool: Tool) -> list[Argument]:
    """All arguments of a tool, in its order."""
    return [Argument.read(name, s, required=name in tool.required) for name, s in tool.properties.items()]


def words_of(name: str) -> list[str]:
    """`startDate` and `start_date` → `start`, `date`."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().split()
