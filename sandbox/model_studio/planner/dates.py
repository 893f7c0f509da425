"""Days and months in a text: `tomorrow`, `December 1`, 周五, `October 2026`, 上个月."""

import re
from datetime import date, timedelta

from sandbox.model_studio.planner.vocabulary import LANGUAGE

_MONTHS: list[str] = LANGUAGE["months"]
_WEEKDAYS: list[str] = LANGUAGE["weekdays"]
_MONTH = rf"\b(?:{'|'.join(f'{month[:3]}(?:{month[3:]})?' for month in _MONTHS)}|sept)\b\.?"
_DAYS = (
    re.compile(r"(?P<y>\d{4})[-/年](?P<m>\d{1,2})[-/月](?P<d>\d{1,2})日?"),
    re.compile(
        rf"(?P<m>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y>\d{{4}}))?", re.IGNORECASE
    ),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<m>{_MONTH})(?:\s+(?P<y>\d{{4}}))?", re.IGNORECASE),
    re.compile(r"(?P<y>(?!))?(?<![\d年])(?P<m>\d{1,2})月(?P<d>\d{1,2})日?"),
)
_PERIOD = re.compile(
    r"\b(?P<y>\d{4})(?:-(?P<m>0[1-9]|1[0-2])\b(?!-)|年(?P<m2>1[0-2]|[1-9])月)"
    rf"|(?P<written>{_MONTH}\s+(?P<y2>\d{{4}}))|\b(?:in|for|of|during|about)\s+(?P<alone>{_MONTH})(?!\s+\d{{4}})"
    r"|(?P<past>last month|上个?月)|(?P<now>this month|本月|这个月)|(?P<next>next month|下个?月)",
    re.IGNORECASE,
)
_RELATIVE = {
    "day after tomorrow|后天": 2,
    "day before yesterday|前天": -2,
    "tomorrow|明天|明日": 1,
    "yesterday|昨天": -1,
    "today|tonight|今天|今晚": 0,
}
_WEEKDAY = {rf"\b{day}\b|(?:周|星期){'一二三四五六日'[i]}": i for i, day in enumerate(_WEEKDAYS)}
_NAMED_DAY = re.compile("|".join([*_RELATIVE, *_WEEKDAY]), re.IGNORECASE)


def days(text: str, today: date) -> tuple[str, ...]:
    """Dates as ISO 8601: those written out, then today and the like and weekdays (the next one)."""
    found = []
    for match in (match for pattern in _DAYS for match in pattern.finditer(text)):
        month, day = _month(match["m"]), int(match["d"])
        written = _date(int(match["y"] or today.year), month, day)
        past = written is not None and not match["y"] and written < today
        found.append(_date(today.year + 1, month, day) if past else written)
    for match in _NAMED_DAY.finditer(text):
        for pattern, ahead in _RELATIVE.items():
            if re.fullmatch(pattern, match[0], re.IGNORECASE):
                found.append(today + timedelta(days=ahead))
        for pattern, weekday in _WEEKDAY.items():
            if re.fullmatch(pattern, match[0], re.IGNORECASE):
                found.append(today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1))
    return tuple(dict.fromkeys(day.isoformat() for day in found if day))


def months(text: str, today: date, *, iso: bool) -> tuple[str, ...]:
    """Months as `2026-10`, or in the words of the text if it names month and year and `iso` is not wanted.

    A month without a year is the latest that has begun.
    """
    found, this = [], today.year * 12 + today.month - 1
    for match in _PERIOD.finditer(text):
        if year := match["y"] or match["y2"]:
            month = int(year) * 12 + _month(match["m"] or match["m2"] or match["written"]) - 1
        elif match["alone"]:
            month = today.year * 12 + _month(match["alone"]) - 1
            month -= 12 if month > this else 0
        else:
            month = this + (1 if match["next"] else 0 if match["now"] else -1)
        found.append((not iso and match["written"]) or f"{month // 12:04}-{month % 12 + 1:02}")
    return tuple(dict.fromkeys(found))


def without_dates(text: str) -> str:
    """The text with days and months taken out."""
    for pattern in (*_DAYS, _PERIOD, _NAMED_DAY):
        text = pattern.sub(" ", text)
    return text


def _month(text: str) -> int:
    """The number of a month that is written as a number or a name."""
    if text.isdecimal():
        return int(text)
    return next(i for i, month in enumerate(_MONTHS, start=1) if month.startswith(text[:3].lower()))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
