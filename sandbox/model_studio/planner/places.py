"""Names of cities and landmarks in a text: those that the stand-in knows, and what looks like one."""

import re
from dataclasses import dataclass

from sandbox.amap.cities import CITIES
from sandbox.amap.places import LANDMARKS

_UNKNOWN_ENGLISH = re.compile(
    r"\b(?:in|at|for|of|near|about|from|to)\s+(?:the\s+)?([A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)*)"
    r"|\bin\s+(?!the\b|a\b|an\b|my\b|your\b|our\b|it\b|this\b|that\b)([a-z'’-]{3,})\s*(?:[?.!,]|$)"
)
_UNKNOWN_CHINESE = re.compile(
    r"([\u3400-\u9fff]{2,8}?)市?(?:的|今天|明天|后天|现在|最近|未来)*(?:天气|气温|温度|下雨)"
)
_CHINESE_LEAD = re.compile(
    "^(?:请问|请帮我|帮我|麻烦|请|查询|查看|查一下|查|看看|看一下|告诉我|问一下|今天|明天|后天|现在|最近|那|在|我想知道|想知道|一下)+"
)
_NO_PLACE = {
    "今天",
    "明天",
    "后天",
    "现在",
    "最近",
    "怎么样",
    "这里",
    "那里",
    "当地",
    "未来",
    "English",
    "Chinese",
}


@dataclass(frozen=True, slots=True)
class Mention:
    """A name as it is written at [start, end) of the text, and its `city` in the same letters."""

    start: int
    end: int
    name: str
    city: str
    landmark: bool = False


def _pattern(names: list[str]) -> re.Pattern[str]:
    names = sorted(set(names), key=lambda name: -len(name))
    written = [
        re.escape(name) if not name.isascii() else r"(?<![A-Za-z])" + _latin(name) + r"(?![A-Za-z])"
        for name in names
    ]
    return re.compile("|".join(written), re.IGNORECASE)


def _latin(name: str) -> str:
    return re.escape(name).replace("'", "['’]?").replace(r"\ ", r"\s*")


def _key(name: str) -> str:
    return re.sub(r"[\s'’]", "", name).lower()


_CITY_NAMES: dict[str, str] = {}
for _city in CITIES:
    _CITY_NAMES |= {_key(_city.name): _city.short_name, _key(_city.short_name): _city.short_name}
    _CITY_NAMES[_key(_city.english)] = _city.english
_LANDMARK_CITIES: dict[str, str] = {}
for _place in LANDMARKS:
    _LANDMARK_CITIES |= {
        _key(_place.name): _place.city.short_name,
        _key(_place.english): _place.city.english,
    }
_KNOWN = _pattern(
    [name for city in CITIES for name in (city.name, city.short_name, city.english)]
    + [name for place in LANDMARKS for name in (place.name, place.english)]
)


def known_places(text: str) -> tuple[Mention, ...]:
    """Cities and landmarks in the order of the text; of overlapping names the longest."""
    found = []
    for match in _KNOWN.finditer(text):
        key = _key(match[0])
        if key in _CITY_NAMES:
            found.append(Mention(match.start(), match.end(), _CITY_NAMES[key], _CITY_NAMES[key]))
        else:
            found.append(Mention(match.start(), match.end(), match[0], _LANDMARK_CITIES[key], landmark=True))
    return tuple(found)


def cities_in(text: str) -> tuple[str, ...]:
    """Cities named in the text, each once; else the cities of its landmarks; else what looks like a name."""
    mentions = known_places(text)
    named = tuple(dict.fromkeys(m.city for m in mentions if not m.landmark))
    if named:
        return named
    return tuple(dict.fromkeys(m.city for m in mentions)) or unknown_places(text)


def unknown_places(text: str) -> tuple[str, ...]:
    """What stands where a place would stand: `in Atlantis`, 亚特兰蒂斯天气."""
    found = [first or second for first, second in _UNKNOWN_ENGLISH.findall(text)]
    found += [_CHINESE_LEAD.sub("", name) for name in _UNKNOWN_CHINESE.findall(text)]
    return tuple(dict.fromkeys(name for name in found if len(name) > 1 and name not in _NO_PLACE))


def without_places(text: str) -> str:
    """The text with the known names taken out."""
    return _KNOWN.sub(" ", text)
