"""The `Retry-After` header (RFC 9110, section 10.2.3)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate

_YEAR = 31_536_000.0
_MAX_DATE_LENGTH = 40
"""In characters; the longest of the three forms of an HTTP date has 33."""


def retry_after(headers: Mapping[str, str]) -> float:
    """The delay in seconds that `headers` request; 0 if they request none. Never raises.

    A number of more than a year is a year. A value that is neither a number of seconds nor a date is ignored.
    """
    value = headers.get("retry-after", "").strip(" \t")
    if value.isascii() and value.isdigit():
        return min(float(value), _YEAR)
    if not value.isascii() or len(value) > _MAX_DATE_LENGTH:
        return 0.0
    # An HTTP date is in GMT (section 5.6.7); another zone is ignored.
    if (parsed := parsedate(value)) is None:
        return 0.0
    year, month, day, hour, minute, second = parsed[:6]
    try:
        until = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
