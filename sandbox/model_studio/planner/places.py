"""Cities, landmarks, addresses and ways in a text: those that the map knows, and what looks like one."""

import re
from dataclasses import dataclass

from sandbox.amap.map.cities import CITIES
from sandbox.amap.map.places import LANDMARKS
from sandbox.model_studio.planner import patterns
from sandbox.model_studio.planner.vocabulary import CHINESE


@dataclass(frozen=True, slots=True)
class Place:
    """A city, or a landmark and its city, in the letters of the text."""

    name: str
    city: str


def _key(name: str) -> str:
    return re.sub(r"[\s'’]", "", name).lower()


_NAMES = {p.name: Place(p.name, p.city.short_name) for p in LANDMARKS}
_NAMES |= {p.english: Place(p.english, p.city.english) for p in LANDMARKS}
_NAMES |= {name: Place(c.short_name, c.short_name) for c in CITIES for name in (c.name, c.short_name)}
_NAMES |= {c.english: Place(c.english, c.english) for c in CITIES}
_BY_KEY = {_key(name): place for name, place in _NAMES.items()}
_LONGEST_FIRST = "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True))
_LETTERS = _LONGEST_FIRST.replace("'", "['’]?").replace(r"\ ", r"\s*")
_KNOWN = re.compile(rf"(?<![A-Za-z])(?:{_LETTERS})(?![A-Za-z])", re.IGNORECASE)


def known_places(text: str) -> list[Place]:
    """Cities and landmarks in the order of the text; of overlapping names the longest."""
    return [_BY_KEY[_key(name)] for name in _KNOWN.findall(text)]


def without_places(text: str) -> str:
    """The text with the known names taken out."""
    return _KNOWN.sub(" ", text)


def cities(text: str) -> tuple[str, ...]:
    """Cities of the places in the text, each once; else what looks like the name of one."""
    found = [place.city for place in known_places(text)] or map(_clean, patterns.found("city", text))
    return tuple(dict.fromkeys(found))


def keywords(text: str) -> str:
    """What is to be searched, without the place and the politeness; empty if nothing is left."""
    if CHINESE.search(text):
        return _clean(without_places(text))
    return patterns.first("search", text)


def address(text: str) -> str:
    """The address or landmark that is asked about; empty if there is none."""
    known = known_places(text)
    return known[0].name if known else _clean(patterns.first("address", text))


def way(text: str) -> tuple[str, str]:
    """Origin and destination; the origin is empty if only a destination is named."""
    matches = (patterns.compiled(pattern).search(text) for pattern in patterns.RULES["ways"])
    if found := next(filter(None, matches), None):
        origin, destination = (
            patterns.without("around", found[end].strip(" \"'“”"), "") for end in ("from", "to")
        )
        return origin, destination
    known = [place.name for place in known_places(text)[:2]] or [patterns.first("destination", text)]
    return (known[0], known[1]) if len(known) > 1 else ("", known[0])


def _clean(name: str) -> str:
    """A Chinese name without the words around it."""
    return patterns.without("noise", name, "") if CHINESE.search(name) else name
