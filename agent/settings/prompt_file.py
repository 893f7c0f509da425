"""Reads SYSTEM_PROMPT_FILE: the text that replaces the built-in system prompt of the model."""

from pathlib import Path
from typing import Final

MAX_BYTES: Final = 64 * 1024
_WHITE_SPACE: Final = "\t\n\r"


def read_prompt_file(path: Path) -> str:
    """The text of the file, without white space and byte order mark around it.

    Raises `ValueError`, without any of the text, if it is not a regular file that can be read, has more than
    `MAX_BYTES`, is not UTF-8, contains other control characters than tabs and line breaks, or has no text.
    """
    try:
        if not path.is_file():
            raise ValueError("must name a file that can be read")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        raise ValueError("must name a file that can be read") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"must name a file of at most {MAX_BYTES} bytes, found more")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("must name a file in UTF-8") from None
    if any(character < " " and character not in _WHITE_SPACE for character in text):
        raise ValueError("must name a file without control characters")
    if not text:
        raise ValueError("must name a file with a text, found none")
    return text
