"""Where a way begins and ends, or where something is: the places of a question that a tool needs."""

import re
from collections.abc import Sequence

from sandbox.model_studio.planner import wanted
from sandbox.model_studio.planner.passages import ends
from sandbox.model_studio.planner.places import cities_in, known_places
from sandbox.model_studio.planner.roles import End, Role

_TO = re.compile(
    r"\bto\s+(?:the\s+)?(.+?)\s*(?:[?.!,;]|$)|(?:到|去|至)\s*(.+?)(?=[，。？！?!,]|的|怎么|$)", re.IGNORECASE
)


def place_in(texts: Sequence[str]) -> str | None:
    """The one place that is asked about, from the first text that names one."""
    return next((place for text in texts if (place := wanted.address(text))), None)


def side_of_way(side: End, role: Role, texts: Sequence[str]) -> str | None:
    """One end of the way: its city if `role` is `CITY`, else its name as written; None if it is not named."""
    for text in texts:
        pair = _pair(text)
        if pair is None:
            continue
        place = pair[0] if side is End.ORIGIN else pair[1]
        return _city(side, place, text) if role is Role.CITY else place or None
    return None


def _city(side: End, place: str, text: str) -> str | None:
    """The city of the place itself, else the first (for the start) or last (for the end) of the text."""
    own = cities_in(place)
    if own:
        return own[0]
    others = cities_in(text)
    if not others:
        return None
    return others[0] if side is End.ORIGIN else others[-1]


def _pair(text: str) -> tuple[str, str] | None:
    """Both ends; the start is empty if only a destination is named."""
    pair = ends(text)
    if pair and all(pair):
        return pair
    places = known_places(text)
    if len(places) >= 2:
        return places[0].name, places[1].name
    if pair:
        return pair
    if places:
        return "", places[0].name
    found = _TO.search(text)
    return ("", found[1] or found[2]) if found else None
