"""Text from elsewhere, made safe for a terminal: nothing in it moves the cursor, sets a title or a clipboard,
or shows text in another order than it has.
"""

import json
import re
from typing import Any, Final

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 but newline and tab, DEL, C1; the overrides, embeddings and isolates of bidirectional text; and half
characters, which no encoding has."""


def printable(text: str) -> str:
    """`text` with each unsafe character replaced by U+FFFD."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can say
    """JSON in which unsafe characters are escaped: it says the same, and can be printed."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
