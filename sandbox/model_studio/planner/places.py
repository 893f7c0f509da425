"""Cities, landmarks and addresses in a text: those that the stand-in knows, and what looks like one."""

import re
from dataclasses import dataclass

from sandbox.amap.cities import CITIES
from sandbox.amap.places import LANDMARKS
from sandbox.model_studio.planner.vocabulary import CHINESE, LANGUAGE

_UNKNOWN_ENGLISH = re.compile(
    r"\b(?:in|at|for|of|near|about|from|to)\s+(?:the\s+)?([A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)*)"
    r"|\bin\s+(?!the\b|a\b|an\b|my\b|your\b|our\b|it\b|this\b|that\b)([a-z'’-]{3,})\s*(?:[?.!,]|$)"
)
_UNKNOWN_CHINESE = re.compile(r"([\u3400-\u9fff]{2,8}?)市?(?:的|现在|最近|未来)*(?:天气|气温|温度|下雨)")
_NO_PLACE = {"现在", "最近", "怎么样", "这里", "那里", "当地", "未来", "English", "Chinese"}
_SEARCHED = re.compile(
    r"\b(?:find|search(?:\s+the\s+\w+)?(?:\s+for)?|look(?:ing)?\s+(?:up|for)|show(?:\s+me)?|list|recommend"
    r"|where\s+(?:can\s+i\s+find|are|is)|are\s+there|any|need|about|regarding)"
    r"\s+(?:me\s+)?(?:(?:some|any|a|an|the|good|nearby)\s+)*(.+?)"
    r"\s*(?:\b(?:in|near|around|at|close\s+to|by|within|from|nearby|for\s+me)\b|[?.!,;]|$)",
    re.IGNORECASE,
)
_NOISE = re.compile(LANGUAGE["search_noise"].strip() + r"|[\d.]+\s*(?:公里|千米|米)以?内?|[，。？！、?!,.\s]")
_ADDRESS = re.compile(
    r"\b(?:coordinates?|location|address|longitude|latitude|position|geocode|where\s+is)\s+(?:of|for|is|are)?"
    r"\s*(?:the\s+)?(.+?)\s*(?:[?.!;]|$)|(.+?)的?(?:经纬度|坐标|位置|地址|在哪)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A name as it is written at [start, end) of the text, and its `city` in the same letters."""

    start: int
    end: int
    name: str
    city: str
    landmark: bool


def _key(name: str) -> str:
    return re.sub(r"[\s'’]", "", name).lower()


def _pattern(name: str) -> str:
    if not name.isascii():
        return re.escape(name)
    return rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])".replace("'", "['’]?").replace(r"\ ", r"\s*")


_CITIES = {_key(name): c.short_name for c in CITIES for name in (c.name, c.short_name)}
_CITIES |= {_key(c.english): c.english for c in CITIES}
_LANDMARKS = {_key(place.name): place.city.short_name for place in LANDMARKS}
_LANDMARKS |= {_key(place.english): place.city.english for place in LANDMARKS}
_NAMES = {name for c in CITIES for name in (c.name, c.short_name, c.english)}
_NAMES |= {name for place in LANDMARKS for name in (place.name, place.english)}
_KNOWN = re.compile("|".join(map(_pattern, sorted(_NAMES, key=lambda name: -len(name)))), re.IGNORECASE)


def known_places(text: str) -> tuple[Mention, ...]:
    """Cities and landmarks in the order of the text; of overlapping names the longest."""
    found = []
    for match in _KNOWN.finditer(text):
        city, key = _CITIES.get(_key(match[0])), _key(match[0])
        found.append(Mention(*match.span(), city or match[0], city or _LANDMARKS[key], landmark=city is None))
    return tuple(found)


def cities_in(text: str) -> tuple[str, ...]:
    """Cities named in the text, each once; else the cities of its landmarks; else what looks like a name."""
    mentions = known_places(text)
    named = tuple(dict.fromkeys(m.city for m in mentions if not m.landmark))
    if named or mentions:
        return named or tuple(dict.fromkeys(m.city for m in mentions))
    found = [first or second for first, second in _UNKNOWN_ENGLISH.findall(text)]
    found += [_NOISE.sub("", name).removeprefix("那") for name in _UNKNOWN_CHINESE.findall(text)]
    return tuple(dict.fromkeys(name for name in found if len(name) > 1 and name not in _NO_PLACE))


def without_places(text: str) -> str:
    """The text with the known names taken out."""
    return _KNOWN.sub(" ", text)


def keywords(text: str) -> str | None:
    """What is to be searched, without the place and the politeness; `None` if nothing is left."""
    if CHINESE.search(text):
        left = _NOISE.sub("", without_places(text)).strip()
    else:
        found = _SEARCHED.search(text)
        left = found[1].strip() if found else ""
    return left or next((mention.name for mention in known_places(text) if mention.landmark), None)


def address(text: str) -> str | None:
    """The address or landmark that is asked about."""
    if known := known_places(text):
        between = text[known[0].start : known[-1].end]
        return known[0].name if len(between) > 39 or re.search(r"[?？。;；]|\band\b|和", between) else between
    found = _ADDRESS.search(text)
    return (found[1] or _NOISE.sub("", found[2] or "") or None) if found else None
