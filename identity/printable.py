"""Texts that are safe to show, and times as texts.

A person sees every character of an untrusted text, in its order: none of them moves a terminal's cursor,
sets a title or a clipboard, reverses others, or is invisible. The page has the same function
(`frontend/printable.js`); `frontend/tests/printable.json` holds both to one table.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

_EMOJI_CHARACTERS: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_EMOJI: Final = f"[{_EMOJI_CHARACTERS}]"
_VARIANT: Final = f"{_EMOJI}[\U0001f3fb-\U0001f3ff]?[\ufe0e\ufe0f]?"
_EMOJI_SEQUENCE: Final = f"{_VARIANT}(?:\u200d{_VARIANT})*|[0-9#*]\ufe0f\u20e3"
"""UTS #51: what selects a variant of an emoji, and joins emojis, is not shown as an escape."""
_WITHOUT_JOINTS: Final = str.maketrans("", "", "\ufe0e\ufe0f\u200d")
_FREQUENT: Final = "\n\t -~\u00a0-\u00ac\u00ae-\u02ff\u3000-\u303f\u4e00-\u9fa5\uac00-\ud7a3\uff01-\uff5e"
"""Characters that are shown as they are, which need no look at their category."""
_REMARKABLE: Final = re.compile(f"(?P<emojis>(?:{_EMOJI_SEQUENCE})+)|[^{_FREQUENT}{_EMOJI_CHARACTERS}]+")
"""Runs of any length: a call of a function for each character of a long text takes seconds."""
_ONE_EMOJI: Final = re.compile(_EMOJI_SEQUENCE)
_LONGEST_EMOJI: Final = 32
"""Characters at the end of a text among which an open emoji is looked for."""
_EMOJI_AT_END: Final = re.compile(f"(?:(?:{_VARIANT}\u200d)*{_VARIANT}\u200d?|[0-9#*]\ufe0f?)\\Z")
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\u2800\u2d7f\ufffc\U0001107f\U00013441\U00013442\U00016fe4\U0001d159]"
)
"""Letters, marks and symbols that show nothing: of Unicode's Default_Ignorable_Code_Point, and blanks."""
MOST_IN_A_LINE: Final = 2_000
"""Characters of a value that are shown on a line."""
_NOT_ON_A_LINE: Final = re.compile(r'[\n\t]|^"')
_BLANKS: Final = re.compile(r"[^\S\n]{3,}")


def printable(text: str) -> str:
    """`text`, with an escape in place of each character that a reader would not see, or that changes how
    others are shown: as in JSON, `\\u202e`, and two for a character beyond U+FFFF.

    These are all of the categories control (but newline and tab), format, private use, unassigned, surrogate,
    and separator of lines and paragraphs; all that Unicode ignores by default; and blank letters. What
    belongs to an emoji is shown with it. Spaces of any width are spaces.
    """
    return _REMARKABLE.sub(_shown, text)


def without_open_emoji(text: str) -> str:
    """`text`, a piece of a longer one, without an emoji at its end, which the next piece may change."""
    end = len(text) - _LONGEST_EMOJI
    return text[: max(end, 0)] + _EMOJI_AT_END.sub("", text[max(end, 0) :])


def cut(text: str, most: int) -> str:
    """The first `most` characters of `text`, and `…` if there are more."""
    if len(text) <= most:
        return text
    return f"{text[:most]}…"


def printable_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON, indented, that can be printed as `printable` prints texts: the value is unchanged."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False))


def printable_line(value: Any, most: int | None = MOST_IN_A_LINE) -> str:  # noqa: ANN401 - any JSON value
    """`value` on one line: a plain text is itself, all else is its JSON, with escapes for line breaks, for
    runs of blanks, which could move a part of it to where another line begins, and for what nobody would see.

    Of more than `most` characters, the middle is left out.
    """
    is_plain = (
        isinstance(value, str)
        and printable(value) == value.strip()
        and not _NOT_ON_A_LINE.search(value)
        and not _BLANKS.search(value)
    )
    text = value if is_plain else printable(json.dumps(value, ensure_ascii=False))
    text = _BLANKS.sub(lambda blanks: "".join(map(_escaped, blanks[0])), text)
    return text if most is None else shortened(text, most)


def shortened(text: str, most: int) -> str:
    """`text` with its middle left out if it is longer than `most`."""
    if len(text) <= most:
        return text
    end = most // 5
    left_out = len(text) - most
    return f"{text[: most - end]} [… {left_out} characters …] {text[-end:]}"


def _shown(remarkable: re.Match[str]) -> str:
    text = remarkable[0]
    is_emojis = remarkable["emojis"] is not None
    seen = text.translate(_WITHOUT_JOINTS) if is_emojis else text
    if seen.isprintable() and not _UNSEEN.search(seen):
        return text
    return _ONE_EMOJI.sub(_emoji_shown, text) if is_emojis else "".join(map(_character_shown, text))


def _emoji_shown(emoji: re.Match[str]) -> str:
    """The characters of an emoji, whose joints are shown if all else of it is."""
    text = emoji[0]
    if not any(map(_is_hidden, text.translate(_WITHOUT_JOINTS))):
        return text
    return "".join(map(_character_shown, text))


@lru_cache(maxsize=4_096)
def _character_shown(character: str) -> str:
    return _escaped(character) if _is_hidden(character) else character


@lru_cache(maxsize=4_096)
def _is_hidden(character: str) -> bool:
    if _UNSEEN.match(character):
        return True
    return not character.isprintable() and unicodedata.category(character) != "Zs"


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def rfc3339(seconds: float, timespec: str = "milliseconds") -> str:
    """Unix seconds as RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
