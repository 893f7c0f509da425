"""Days and months in a text as ISO 8601: `tomorrow`, `December 1`, 周五, `in October`, 上个月."""

import calendar
import re
from datetime import date, timedelta

from sandbox.model_studio.planner.language import LANGUAGE

_MONTHS = [name.lower() for name in calendar.month_name]
_DAY = r"\d{1,2}(?:st|nd|rd|th)?\b"
_WRITTEN = re.compile(
    r"(?P<y1>\d{4})[-/](?P<m1>\d{1,2})[-/](?P<d1>\d{1,2})"
    r"|(?:(?P<y2>\d{4})年)?(?P<m2>\d{1,2})月(?:(?P<d2>\d{1,2})日?)?"
    rf"|\b(?:(?P<d3>{_DAY})\s+|(?P<of>in|for|of|during|about)\s+)?"
    rf"(?P<m3>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS[1:])}|sept)\b\.?"
    rf"(?:\s+(?P<d4>{_DAY}))?(?:,?\s+(?P<y3>\d{{4}}))?",
    re.IGNORECASE,
)


def resolved(text: str, today: date) -> str:
    """The text with all days and months as ISO 8601. What is no day, such as February 30, stays."""
    text = _WRITTEN.sub(lambda match: _iso(match, today), text)
    days = re.split(r",\s*", LANGUAGE["days"])
    ahead = {pattern: today + timedelta(i - 2) for i, pattern in enumerate(days)}
    for weekday, name in enumerate(calendar.day_name):
        pattern = rf"\b{name}\b|(?:周|星期){'一二三四五六日'[weekday]}"
        ahead[pattern] = today + timedelta((weekday - today.weekday() - 1) % 7 + 1)
    for pattern, day in ahead.items():
        text = re.sub(pattern, day.isoformat(), text, flags=re.IGNORECASE)
    for i, pattern in enumerate(LANGUAGE["months"].split(", ")):
        year, month = divmod(today.year * 12 + today.month + i - 2, 12)
        text = re.sub(pattern, f"{year}-{month + 1:02}", text, flags=re.IGNORECASE)
    return text


def _iso(match: re.Match[str], today: date) -> str:
    """A month without a year is the last such month, a day without a year the next such day."""
    part = {key[0]: value for key, value in match.groupdict().items() if value}
    if not part.keys() & {"y", "d", "o"} and "月" not in match[0]:
        return match[0]
    month = next((i for i, name in enumerate(_MONTHS) if name[:3] == part["m"][:3].lower()), 0)
    try:
        number = int(re.sub(r"\D", "", part.get("d", "1")))
        day = date(int(part.get("y", today.year)), month or int(part["m"]), number)
        if "y" not in part:
            past = day < today if "d" in part else day > today
            day = day.replace(year=today.year + past * (1 if "d" in part else -1))
    except ValueError:
        return match[0]
    return day.isoformat() if "d" in part else f"{day:%Y-%m}"
