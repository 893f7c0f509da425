"""The names of cities and landmarks in a text, in Chinese or in Latin letters."""

import re

from sandbox.amap.map.cities import CITIES
from sandbox.amap.map.places import LANDMARKS

_NAMES = {name: (c.short_name, c.short_name) for c in CITIES for name in (c.name, c.short_name)}
_NAMES |= {c.english: (c.english, c.english) for c in CITIES}
_NAMES |= {p.name: (p.name, p.city.short_name) for p in LANDMARKS}
_NAMES |= {p.english: (p.english, p.city.english) for p in LANDMARKS}
_LONGEST_FIRST = "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True))
_LETTERS = _LONGEST_FIRST.replace("'", "['’]?").replace(r"\ ", r"\s*")
_KNOWN = re.compile(rf"(?<![A-Za-z])(?:{_LETTERS})(?![A-Za-z])", re.IGNORECASE)


def _key(name: str) -> str:
    return re.sub(r"[\s'’]", "", name).lower()


_BY_KEY = {_key(name): place for name, place in _NAMES.items()}


def names(text: str) -> list[tuple[str, str]]:
    """Cities and landmarks, each with its city, in the order and the letters of the text.

    Of overlapping names the longest counts. Case, blanks and apostrophes do not matter.
    """
    return [_BY_KEY[_key(name)] for name in _KNOWN.findall(text)]


def without_names(text: str) -> str:
    """The text with a comma in the place of each."""
    return _KNOWN.sub(" , ", text)
