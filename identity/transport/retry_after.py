"""`Retry-After` as any server may write it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate

_MAX_DATE_LENGTH = 40
"""Characters; the longest of the three forms of a date has 33."""


def retry_after(headers: Mapping[str, str]) -> float:
    """The wait that an answer asks for, in seconds (RFC 9110, section 10.2.3); 0 if it asks for none.

    A value that is neither a number of seconds nor a date is ignored. Never raises.
    """
    value = headers.get("retry-after", "").strip(" \t")
    if not value.isascii() or len(value) > _MAX_DATE_LENGTH:
        return 0.0
    if value.isdigit():
        return float(value) if len(value) < 9 else 0.0
    # A date of HTTP is in GMT (section 5.6.7): a zone that says otherwise is not looked at.
    if (parsed := parsedate(value)) is None:
        return 0.0
    year, month, day, hour, minute, second = parsed[:6]
    try:
        until = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
