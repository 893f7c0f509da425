"""Texts that are safe to show, and times as texts.

Untrusted text cannot move a terminal's cursor, set a title or a clipboard, or show characters in another
order than they have. The page has the same list (`frontend/printable.js`).
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 but newline and tab, DEL, C1; the overrides, embeddings and isolates of bidirectional text; and lone
surrogates, which UTF-8 cannot encode."""


def printable(text: str) -> str:
    """`text` with each unsafe character replaced by U+FFFD."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON in which unsafe characters are escaped: the value is unchanged, and it can be printed."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def rfc3339(seconds: float, timespec: str = "milliseconds") -> str:
    """Unix seconds as RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
