"""Filling a tool's arguments from the text: what is found, what must be asked first, what is missing."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.model_studio.planner import passages, wanted
from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Tool
from sandbox.model_studio.planner.geocoding import Geocoder, Point, locate
from sandbox.model_studio.planner.places import cities_in, known_places
from sandbox.model_studio.planner.roles import End, Role, end, role
from sandbox.model_studio.planner.ways import place_in, side_of_way


@dataclass(frozen=True, slots=True)
class Material:
    """Where arguments come from. `texts`: the clause, the whole question, then the question before it."""

    texts: tuple[str, ...]
    conversation: Conversation
    today: date
    geocoder: Geocoder | None = None

    @property
    def clause(self) -> str:
        return self.texts[0]


@dataclass(slots=True)
class Filling:
    """The outcome of filling: `calls`, or what stands in their way."""

    tool: Tool
    calls: tuple[Call, ...] = ()
    missing: list[str] = field(default_factory=list)
    first: list[Call] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)

    @property
    def direct(self) -> bool:
        """Whether the tool can be called at once."""
        return not (self.missing or self.first or self.failed)


def fill(tool: Tool, material: Material) -> Filling:
    """Required arguments from any text, optional ones only if the clause plainly names them.

    A tool that takes one city is called once for each city of the text.
    """
    filling = Filling(tool)
    arguments: dict[str, Any] = {}
    every: tuple[str, list[Any]] | None = None
    numbers = iter(_first(material, passages.numbers))
    codes = iter(_first(material, passages.codes))
    for name, schema in tool.properties.items():
        required = name in tool.required
        found = role(name, schema)
        value: object
        if found in (Role.POINT, Role.LONGITUDE, Role.LATITUDE):
            value = _point(found, end(name, schema), material, filling, required=required)
        elif found is Role.CITY and end(name, schema) is None:
            cities = _cities(material, required=required)
            value = cities[0] if cities else None
            if len(cities) > 1:
                every = (name, cities)
        elif found is Role.NUMBER:
            value = _number(name, schema, numbers, material, required=required)
        elif found is Role.IDENTIFIER:
            value = next(codes, None) if required else None
            value = value or (_text(found, schema, material, required=required))
        else:
            value = _value(found, name, schema, material, required=required)
        if value is not None:
            arguments[name] = value
        elif required and not (filling.first or filling.failed):
            filling.missing.append(name)
    variants = [arguments | {every[0]: city} for city in every[1]] if every else [arguments]
    filling.calls = tuple(Call(tool.name, variant) for variant in variants)
    return filling


def _value(
    found: Role, name: str, schema: Mapping[str, Any], material: Material, *, required: bool
) -> object:
    if found is Role.CHOICE:
        return _choice(schema, material, required=required)
    if found is Role.FLAG:
        return bool(schema.get("default", False)) if required else None
    if found is Role.LENGTH:
        length = passages.metres(material.clause)
        if length is None:
            return None
        return length if schema.get("type") in ("integer", "number") else str(length)
    if found is Role.STRUCTURE:
        return _list(name, schema, material) if required else None
    if side := end(name, schema):
        return side_of_way(side, found, material.texts) if required or found is Role.CITY else None
    return _text(found, schema, material, required=required)


def _text(found: Role, schema: Mapping[str, Any], material: Material, *, required: bool) -> str | None:
    texts = material.texts if required else (material.clause,)
    for text in texts:
        value = {
            Role.DATE: lambda text: next(iter(passages.dates(text, material.today)), None),
            Role.IP: lambda text: next(iter(passages.ip_addresses(text)), None),
            Role.KEYWORDS: wanted.keywords,
            Role.MESSAGE: wanted.message,
            Role.ADDRESS: wanted.address if required else lambda _: None,
        }.get(found, wanted.name if required else lambda _: None)(text)
        if value:
            return value
    if not required:
        return None
    if found is Role.MESSAGE:
        return material.clause.strip()
    default = schema.get("default")
    return str(default) if default is not None else None


def _point(
    found: Role, side: End | None, material: Material, filling: Filling, *, required: bool
) -> str | None:
    """`lng,lat`, or its half. Notes in `filling` what must be asked first."""
    if not required:
        return None
    written = _first(material, passages.coordinates)
    if written:
        point = Point(written[-1] if side is End.DESTINATION else written[0])
    else:
        place = side_of_way(side, Role.ADDRESS, material.texts) if side else place_in(material.texts)
        point = locate(place, material.geocoder, material.conversation) if place else Point()
    if point.first and point.first not in filling.first:
        filling.first.append(point.first)
    if point.failed and point.failed not in filling.failed:
        filling.failed.append(point.failed)
    if not point.text:
        return None
    longitude, _, latitude = point.text.partition(",")
    return {Role.LONGITUDE: longitude, Role.LATITUDE: latitude}.get(found, point.text)


def _cities(material: Material, *, required: bool) -> list[str]:
    if not required:
        return [mention.city for mention in known_places(material.clause)][:1]
    return next((list(found) for text in material.texts if (found := cities_in(text))), [])


def _choice(schema: Mapping[str, Any], material: Material, *, required: bool) -> object:
    for text in material.texts if required else (material.clause,):
        lowered = text.lower()
        for option in schema["enum"]:
            if isinstance(option, str) and re.search(rf"(?<!\w){re.escape(option.lower())}(?!\w)", lowered):
                return option
    if not required:
        return None
    return schema.get("default", schema["enum"][0] if len(schema["enum"]) == 1 else None)


def _number(
    name: str, schema: Mapping[str, Any], numbers: Iterator[str], material: Material, *, required: bool
) -> int | float | None:
    if required:
        written = next(numbers, None)
    else:
        found = re.search(
            rf"\b{re.escape(name)}\b\s*[:=]?\s*(-?\d+(?:\.\d+)?)", material.clause, re.IGNORECASE
        )
        written = found[1] if found else None
    if written is None:
        return None
    return int(float(written)) if schema.get("type") == "integer" else float(written)


def _list(name: str, schema: Mapping[str, Any], material: Material) -> list[str] | None:
    """An array of strings takes cities or quotations; other structures cannot be read off a text."""
    items = schema.get("items")
    if schema.get("type") != "array" or not isinstance(items, Mapping) or items.get("type") != "string":
        return None
    if role(name, {**items, "description": schema.get("description", "")}) is Role.CITY:
        return _cities(material, required=True) or None
    return list(_first(material, passages.quotations)) or None


def _first(material: Material, find: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """What `find` finds in the first text in which it finds something."""
    return next((found for text in material.texts if (found := find(text))), ())
