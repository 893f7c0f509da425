"""Filling a tool's arguments from the text: what is found, what must be asked first, what is missing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.model_studio.planner import dates, phrases, places
from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Tool
from sandbox.model_studio.planner.roles import PLACES, POINTS, Role, end, role, words_of

_LOCATION = re.compile(r"\"location\"\s*:\s*\"(-?\d+(?:\.\d+)?,-?\d+(?:\.\d+)?)\"")
_GENERIC = {"name", "id", "number", "code", "value", "of", "the"}
_NUMERIC = ("integer", "number")
_IN_ORDER = (Role.DATE, Role.PERIOD, Role.NUMBER, Role.IDENTIFIER, Role.OTHER)
"""Roles of which the second argument takes the second value of the text."""
_PLAIN = (Role.DATE, Role.PERIOD, Role.IP, Role.EMAIL, Role.LENGTH, Role.CITY, Role.MESSAGE)
"""Roles whose values are recognized without the argument's name: enough for an optional argument."""
_LABELLED = (Role.OTHER, Role.MESSAGE, Role.KEYWORDS, Role.IDENTIFIER, Role.NUMBER)


@dataclass(frozen=True, slots=True)
class Goal:
    """A requested tool. The first `own` of the texts request it, the others are earlier messages.

    `reply` is the bare value that the first text consists of, if it is no more than that.
    """

    tool: Tool
    texts: tuple[str, ...]
    own: int = 1
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What fills arguments beside the texts: results, today, the geocoding tool and its argument."""

    conversation: Conversation
    today: date
    geocoder: tuple[str, str] | None = None


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


def fill(goal: Goal, material: Material) -> Filling:
    """Required arguments from any text, optional ones only if the goal's own texts plainly name them.

    A tool that takes one city is called once for each city of the text.
    """
    filling = Filling(goal.tool)
    form = _Form(goal, material, filling)
    every: list[dict[str, Any]] = [{}]
    for name, schema in goal.tool.properties.items():
        values = form.values(name, schema, required=name in goal.tool.required)
        if values:
            every = [{**arguments, name: value} for value in values for arguments in every]
        elif name in goal.tool.required and not (filling.first or filling.failed):
            filling.missing.append(name)
    filling.calls = tuple(Call(goal.tool.name, arguments) for arguments in every)
    return filling


class _Form:
    """The values of one tool's arguments, asked for one after the other."""

    def __init__(self, goal: Goal, material: Material, filling: Filling) -> None:
        self._goal, self._material, self._filling = goal, material, filling
        self._taken: dict[Role, int] = {}

    def values(self, name: str, schema: Mapping[str, Any], *, required: bool) -> list[Any]:
        """The value of an argument, none if there is none; several if the tool is to be called for each."""
        found, side = role(name, schema), end(name, schema)
        texts = self._goal.texts if required else self._goal.texts[: self._goal.own]
        value: object = None
        if found is Role.CITY and side is None and required:
            return list(self._first(found, schema, texts))
        if found is Role.CHOICE:
            value = _choice(schema["enum"], texts)
        elif found is Role.FLAG:
            value = _flag(name, texts)
        elif side is not None and found in PLACES and (required or found is Role.CITY):
            value = self._point(found, side, texts) if found in POINTS else _side_of_way(side, found, texts)
        elif found in POINTS:
            value = self._point(found, side, texts) if required else None
        elif found is Role.STRUCTURE:
            value = self._list(name, schema, texts) if required else None
        elif side is None or found not in PLACES:
            value = self._text(name, schema, found, texts, required=required)
        if value is None and required:
            value = schema.get("default", False if found is Role.FLAG else None)
        return [] if value is None else [value]

    def _text(
        self, name: str, schema: Mapping[str, Any], found: Role, texts: Sequence[str], *, required: bool
    ) -> object:
        """A value that one of the texts calls by the argument's name, else one of the role's form."""
        label = " ".join([word for word in words_of(name) if word not in _GENERIC] or words_of(name))
        start = self._taken.get(found, 0)
        for text in texts:
            named = phrases.labelled(label, text) if found in _LABELLED else ()
            fitting = [v for v in named if found not in _FORMS or re.fullmatch(_FORMS[found], v)]
            if not fitting and (required or found in _PLAIN):
                fitting = list(self._candidates(found, schema, text))
                if found in _IN_ORDER:
                    fitting = fitting[-1:] if not start and end(name, schema) else fitting[start:]
                    self._taken[found] = start + bool(fitting)
            if fitting:
                return _typed(fitting[0], schema)
        return texts[0].strip() if required and found is Role.MESSAGE else None

    def _first(self, found: Role, schema: Mapping[str, Any], texts: Sequence[str]) -> tuple[str, ...]:
        """The values of the role in the first text that has some."""
        return next((values for text in texts if (values := self._candidates(found, schema, text))), ())

    def _candidates(self, found: Role, schema: Mapping[str, Any], text: str) -> tuple[str, ...]:
        """What has the form of the role, in the order of the text."""
        today, quoted, undated = self._material.today, phrases.quotations(text), dates.without_dates(text)
        reply = (self._goal.reply,) if self._goal.reply and text == self._goal.texts[0] else ()
        match found:
            case Role.DATE:
                return dates.days(text, today)
            case Role.PERIOD:
                iso = "yyyy" in str(schema.get("description", "")).lower() or "pattern" in schema
                return dates.months(text, today, iso=iso) or reply
            case Role.NUMBER:
                return phrases.numbers(undated)
            case Role.IDENTIFIER:
                return phrases.codes(undated) or phrases.codes(text) or quoted or reply
            case Role.IP:
                return phrases.ip_addresses(text)
            case Role.EMAIL:
                return phrases.email_addresses(text)
            case Role.LENGTH:
                return phrases.metres(text)
            case Role.CITY:
                return places.cities_in(undated) or reply
            case Role.ADDRESS:
                return quoted or _maybe(places.address(text)) or reply
            case Role.KEYWORDS:
                return quoted or _maybe(places.keywords(text)) or reply
            case Role.MESSAGE:
                return quoted or phrases.messages(text)
        return quoted or phrases.names(places.without_places(text)) or reply or phrases.objects(undated)

    def _point(self, found: Role, side: int | None, texts: Sequence[str]) -> str | None:
        """`lng,lat`, or its half. Notes in the filling what must be asked first."""
        points = next((points for text in texts if (points := phrases.coordinates(text))), ())
        if not points:
            address = self._first(Role.ADDRESS, {}, texts) if side is None else ()
            place = _side_of_way(side, Role.ADDRESS, texts) if side is not None else "".join(address[:1])
            points = self._located(place) if place else ()
        if not points:
            return None
        point = points[-1 if side else 0]
        longitude, _, latitude = point.partition(",")
        return {Role.LONGITUDE: longitude, Role.LATITUDE: latitude}.get(found, point)

    def _located(self, place: str) -> tuple[str, ...]:
        """The point of a place, as the geocoder answered."""
        if self._material.geocoder is None:
            return ()
        tool, argument = self._material.geocoder
        call = Call(tool, {argument: place})
        outcome = self._material.conversation.outcome(call)
        if outcome is None:
            self._filling.first.append(call)
            return ()
        points = tuple(_LOCATION.findall(outcome.text)) or phrases.coordinates(outcome.text)
        if not points:
            self._filling.failed.append(outcome)
        return points[:1]

    def _list(self, name: str, schema: Mapping[str, Any], texts: Sequence[str]) -> list[object] | None:
        """An array of strings or numbers; other structures cannot be read off a text."""
        items = schema.get("items")
        if not isinstance(items, Mapping) or items.get("type") not in ("string", *_NUMERIC):
            return None
        found = role(name, {**items, "description": schema.get("description", "")})
        return [_typed(value, items) for value in self._first(found, {}, texts)] or None


_FORMS = {Role.NUMBER: r"-?\d+(?:\.\d+)?", Role.IDENTIFIER: r".*\d.*"}


def _maybe(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _typed(value: str, schema: Mapping[str, Any]) -> object:
    if schema.get("type") not in _NUMERIC:
        return value
    return int(float(value)) if schema["type"] == "integer" else float(value)


def _choice(options: Sequence[object], texts: Sequence[str]) -> object:
    for text, option in ((text.lower(), option) for text in texts for option in options):
        written = re.escape(str(option).lower()).replace("_", "[ _-]")
        if re.search(rf"(?<![a-z0-9]){written}(?![a-z0-9])", text):
            return option
    return options[0] if len(options) == 1 else None


def _flag(name: str, texts: Sequence[str]) -> bool | None:
    label = r"[\s_-]*".join(map(re.escape, words_of(name)))
    found = (
        re.search(rf"\b(no\s+|not\s+|without\s+(?:an?\s+)?)?{label}\b", text, re.IGNORECASE) for text in texts
    )
    return next((not match[1] for match in found if match), None)


def _side_of_way(side: int, found: Role, texts: Sequence[str]) -> str | None:
    """One end of the way: its city if that is wanted, else its name as written; None if it is not named."""
    for text in texts:
        way = _way(text)
        if found is not Role.CITY and way[side]:
            return way[side]
        if (
            found is Role.CITY
            and any(way)
            and (cities := places.cities_in(way[side]) or places.cities_in(text))
        ):
            return cities[-1 if side else 0]
    return None


def _way(text: str) -> tuple[str, str]:
    """Both ends; the origin is empty if only a destination is named."""
    pair, known = phrases.ends(text), [mention.name for mention in places.known_places(text)]
    if pair and (all(pair) or len(known) < 2):
        return pair
    if known:
        return (known[0], known[1]) if len(known) > 1 else ("", known[0])
    return "", phrases.destination(text)
