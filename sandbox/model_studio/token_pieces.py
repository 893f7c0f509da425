"""Cuts text into pieces about as large as a tokenizer's, for streaming and usage."""

import re
from collections.abc import Iterator

_PIECE = re.compile(r"\s?[A-Za-z'’]{1,8}|\s?\d{1,3}|[\u3400-\u9fff]{1,2}|\s+|.", re.DOTALL)


def pieces(text: str) -> list[str]:
    """The pieces; joined, they are the text."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many pieces there are."""
    return sum(1 for _ in _PIECE.finditer(text))


def portions(text: str, size: int) -> Iterator[tuple[str, int]]:
    """The first piece alone, then `size` pieces at a time, as Model Studio streams; each with its count."""
    found = pieces(text)
    if found:
        yield found[0], 1
    for start in range(1, len(found), size):
        group = found[start : start + size]
        yield "".join(group), len(group)
