"""Days and months in a text as ISO 8601: `tomorrow`, `December 1`, 周五, `in October`, 上个月."""

import re
from datetime import date, timedelta

from sandbox.model_studio.planner.vocabulary import LANGUAGE

_MONTHS: list[str] = LANGUAGE["months"].split()
_MONTH = rf"(?P<m>\b(?:{'|'.join(f'{month[:3]}(?:{month[3:]})?' for month in _MONTHS)}|sept)\b\.?)"
_DAY, _YEAR, _NO_YEAR = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\b", r"\s+(?P<y>\d{4})", r"(?P<y>(?!))?"
_WRITTEN = (
    r"(?P<y>\d{4})[-/年](?P<m>\d{1,2})[-/月](?P<d>\d{1,2})日?",
    rf"{_MONTH}\s+{_DAY}(?:,?{_YEAR})?",
    rf"\b{_DAY}\s+{_MONTH}(?:{_YEAR})?",
    rf"{_NO_YEAR}(?<![\d年])(?P<m>\d{{1,2}})月(?P<d>\d{{1,2}})日?",
    r"(?P<d>(?!))?(?P<y>\d{4})年(?P<m>1[0-2]|[1-9])月",
    rf"(?P<d>(?!))?{_MONTH}{_YEAR}",
    rf"(?P<d>(?!))?{_NO_YEAR}\b(?:in|for|of|during|about)\s+{_MONTH}(?!\s+\d{{4}})",
)
_WEEKDAYS = [
    rf"\b{day}\b|(?:周|星期){'一二三四五六日'[i]}" for i, day in enumerate(LANGUAGE["weekdays"].split())
]


def resolved(text: str, today: date) -> str:
    """The text with all days and months as ISO 8601. What is no day, such as February 30, stays."""
    for pattern in _WRITTEN:
        text = re.sub(pattern, lambda match: _iso(match, today), text, flags=re.IGNORECASE)
    ahead = {pattern: today + timedelta(days=days) for pattern, days in LANGUAGE["days_ahead"].items()}
    for weekday, pattern in enumerate(_WEEKDAYS):
        ahead[pattern] = today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
    for pattern, day in ahead.items():
        text = re.sub(pattern, day.isoformat(), text, flags=re.IGNORECASE)
    for pattern, months in LANGUAGE["months_ahead"].items():
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        text = re.sub(pattern, f"{year}-{month + 1:02}", text, flags=re.IGNORECASE)
    return text


def _iso(match: re.Match[str], today: date) -> str:
    month = next((i for i, name in enumerate(_MONTHS, 1) if name[:3] == match["m"][:3].lower()), 0)
    try:
        day = date(int(match["y"] or today.year), month or int(match["m"]), int(match["d"] or 1))
        if not match["y"]:
            past = day < today if match["d"] else day > today
            day = day.replace(year=today.year + past * (1 if match["d"] else -1))
    except ValueError:
        return match[0]
    return day.isoformat() if match["d"] else f"{day:%Y-%m}"
