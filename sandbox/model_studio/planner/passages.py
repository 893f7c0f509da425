"""Parts of a text that mean something by their form: quotations, clauses, points, dates, ends of a way."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』|《([^》]+)》|(?<!\w)['‘]([^'’]+)['’](?!\w)"
)
_SEPARATOR = re.compile(
    r"\s*[;；]\s*|(?<=[?!.])\s+|[。？！?!]|[，、]|,?\s+and\s+(?:then\s+|also\s+)?|,?\s+then\s+|,\s+(?:also|plus)\s+"
    r"|并且|以及|还有|然后|同时|顺便|并|再|和|与|跟",
    re.IGNORECASE,
)
_COORDINATES = re.compile(r"(?<![\d.])(-?\d{1,3}\.\d+)\s*[,，]\s*(-?\d{1,2}\.\d+)(?![\d.])")
_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_ISO_DATE = re.compile(r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})日?")
_NUMBER = re.compile(
    r"(?<![\w.\-])-?\d+(?:\.\d+)?(?![\w\-])(?!\.\d)|(?<=[\u3400-\u9fff])\d+(?=[\u3400-\u9fff])"
)
_CODE = re.compile(r"(?<![\w.])#?((?=[A-Za-z\-_]*\d)[A-Za-z0-9][A-Za-z0-9\-_]{2,})(?![\w.]*\w)", re.ASCII)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(km|kilomet\w+|公里|千米|m\b|met\w+|米)", re.IGNORECASE)
_DAYS = {
    "today": 0,
    "tonight": 0,
    "今天": 0,
    "今晚": 0,
    "tomorrow": 1,
    "明天": 1,
    "明日": 1,
    "后天": 2,
    "yesterday": -1,
    "昨天": -1,
}

_END = r"(?=\s*(?:[?.!,;？。！，；]|$|\s(?:and|by|on foot|with|take|using|please|is|in the)\b))"
_ENDS_ENGLISH = (
    re.compile(r"\bfrom\s+(.+?)\s+to\s+(.+?)" + _END, re.IGNORECASE),
    re.compile(r"\bbetween\s+(.+?)\s+and\s+(.+?)" + _END, re.IGNORECASE),
)
_ENDS_BACKWARDS = re.compile(r"\b(?:is|to|reach)\s+(.+?)\s+from\s+(.+?)" + _END, re.IGNORECASE)
_CHINESE_END = (
    r"(?=的|怎么|如何|有多|多远|多久|要|需要|开车|驾车|骑|步行|走|坐|乘|路线|距离|之间|[，。？！?,]|\s|$)"
)
_ENDS_CHINESE = (
    re.compile(r"从\s*(.+?)\s*(?:到|去|至)\s*(.+?)" + _CHINESE_END),
    re.compile(r"([\u3400-\u9fff\w]+?)\s*(?:到|至|和|与|跟|离)\s*([\u3400-\u9fff\w]+?)" + _CHINESE_END),
)
_CHINESE_LEAD = re.compile(
    "^(?:请问|请帮我|帮我|请|查询|查一下|查|算一下|计算|测量|开车|驾车|骑车|骑行|步行|走路|坐地铁|从)+"
)
_CHINESE_TRAIL = re.compile("(?:开车|驾车|骑车|骑行|步行|走路|坐地铁|坐公交|坐火车|打车)$")
_HERE = {"here", "me", "my place", "my location", "it", "there", "这里", "这儿", "我这里", "我这", "那里"}


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece [start, end) of the question; `joined` is the separator that follows it."""

    start: int
    end: int
    joined: str


def quotations(text: str) -> tuple[str, ...]:
    """What stands in quotation marks."""
    return tuple(next(part for part in match.groups() if part) for match in _QUOTED.finditer(text))


def without_quotes(text: str) -> str:
    return _QUOTED.sub(" ", text)


def clauses(text: str) -> tuple[Clause, ...]:
    """The pieces between "and", commas and the like; quotations and `lng,lat` are not cut."""
    masked = text
    for pattern in (_QUOTED, _COORDINATES):
        masked = pattern.sub(lambda match: "\x00" * len(match[0]), masked)
    found, start = [], 0
    for separator in _SEPARATOR.finditer(masked):
        if masked[start : separator.start()].strip():
            found.append(Clause(start, separator.start(), separator[0].strip()))
        start = separator.end()
    if masked[start:].strip():
        found.append(Clause(start, len(text), ""))
    return tuple(found)


def coordinates(text: str) -> tuple[str, ...]:
    """Points as `lng,lat`."""
    return tuple(f"{lng},{lat}" for lng, lat in _COORDINATES.findall(text))


def ip_addresses(text: str) -> tuple[str, ...]:
    return tuple(_IP.findall(text))


def dates(text: str, today: date) -> tuple[str, ...]:
    """Dates as ISO 8601: written out, or today, tomorrow, 后天 and the like."""
    found = []
    for year, month, day in _ISO_DATE.findall(text):
        try:
            found.append(date(int(year), int(month), int(day)).isoformat())
        except ValueError:
            continue
    lowered = text.lower()
    found += [(today + timedelta(days=days)).isoformat() for word, days in _DAYS.items() if word in lowered]
    return tuple(dict.fromkeys(found))


def numbers(text: str) -> tuple[str, ...]:
    """Plain numbers, outside of dates, addresses and points."""
    for pattern in (_ISO_DATE, _IP, _COORDINATES):
        text = pattern.sub(" ", text)
    return tuple(_NUMBER.findall(text))


def codes(text: str) -> tuple[str, ...]:
    """Identifiers such as `A-1007` or `20261124`."""
    for pattern in (_IP, _COORDINATES):
        text = pattern.sub(" ", text)
    return tuple(code for code in _CODE.findall(text) if not _ISO_DATE.fullmatch(code))


def metres(text: str) -> int | None:
    """A length such as `2 km` or 500米."""
    found = _LENGTH.search(text)
    if found is None:
        return None
    thousands = found[2].lower().startswith(("km", "kilo")) or found[2] in ("公里", "千米")
    return round(float(found[1]) * (1000 if thousands else 1))


def ends(text: str) -> tuple[str, str] | None:
    """Start and end of a way or distance: `from A to B`, 从A到B, `between A and B`, A离B多远."""
    for pattern in _ENDS_ENGLISH:
        if found := pattern.search(text):
            return _clean(found[1]), _clean(found[2])
    if found := _ENDS_BACKWARDS.search(text):
        return _clean(found[2]), _clean(found[1])
    for pattern in _ENDS_CHINESE:
        if found := pattern.search(text):
            return _clean(found[1]), _clean(found[2])
    return None


def _clean(place: str) -> str:
    place = re.sub(r"^(?:the|it)\s+", "", place.strip().strip("\"'“”"), flags=re.IGNORECASE)
    place = _CHINESE_TRAIL.sub("", _CHINESE_LEAD.sub("", place))
    return "" if place.lower() in _HERE else place
