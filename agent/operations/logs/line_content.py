"""What a log line contains, in any format: its members, without raw control characters and credentials."""

import json
import logging
import re
from typing import Any, Final

from identity.observation.request_context import REQUEST_ID, USER
from identity.observation.span import CURRENT_SPAN

_UNSEEN: Final = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control and format characters that JSON does not escape, and that a terminal interprets or hides."""
_SECRET: Final = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+|\beyJ[\w-]{8,}(?:\.[\w-]*)*|\bsk-[\w-]{8,}")


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record's own fields, then those of the request in whose context the line is formatted."""
    fields: dict[str, Any] = dict(getattr(record, "fields", ()))
    context = (
        ("request_id", REQUEST_ID.get()),
        ("user", USER.get()),
        ("trace_id", CURRENT_SPAN.get().trace_id),
    )
    for name, value in context:
        if value is not None:
            fields.setdefault(name, value)
    return fields


def visible(line: str) -> str:
    """`line` with characters that a terminal interprets or hides as JSON escapes.

    Not checked: C0 characters, which the encoders of both formats escape.
    """
    if line.isascii() and "\x7f" not in line:
        return line
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], line)


def masked(line: str) -> str:
    """`line` with text that has the form of a credential masked: a second defence."""
    # Few lines contain any of these, and this search is ten times as fast as the pattern.
    lower = line.lower()
    suspicious = "eyj" in lower or "sk-" in lower or "bearer" in lower
    return _SECRET.sub("[masked]", line) if suspicious else line
