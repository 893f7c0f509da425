"""A time as people type it."""

import re
from datetime import datetime
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str, now: float) -> float:
    """Unix seconds, of RFC 3339 with a time zone, of unix seconds, of `now`, or of `90m`: that long ago.

    Raises `ValueError`, with what is missing.
    """
    text = text.strip()
    if text == "now":
        return now
    if (ago := _AGO.fullmatch(text)) is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        return float(text)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time: 2026-11-25T09:00:00Z, unix seconds, 90m (ago) or now") from None
    if parsed.tzinfo is None:
        raise ValueError("must name its time zone, such as 2026-11-25T09:00:00Z")
    return parsed.timestamp()
