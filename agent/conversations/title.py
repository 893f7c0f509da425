"""The title of a conversation: the beginning of its first question."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from langchain_core.messages import AnyMessage, HumanMessage

from identity.printable import printable

MAX_TITLE: Final = 200
"""Characters of a title that a person gives."""
_MAX_QUESTION: Final = 60
_MAX_READ: Final = 1_000
"""Characters that are looked at: the rest cannot be part of a title."""


def first_question(messages: Iterable[AnyMessage]) -> str | None:
    """A title of at most 60 characters, or `None` if no person has written anything yet."""
    for message in messages:
        if isinstance(message, HumanMessage) and (text := one_line(str(message.text))):
            return _shortened(text)
    return None


def one_line(text: str) -> str:
    """`text` on one line, printable, and without white space at its ends."""
    text = "".join(
        " " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text[:_MAX_READ]
    )
    return " ".join(printable(text).split())


def _shortened(text: str) -> str:
    if len(text) <= _MAX_QUESTION:
        return text
    beginning = text[: _MAX_QUESTION - 1]
    words, space, _ = beginning.rpartition(" ")
    # Chinese has no spaces, and one near the beginning would leave too little.
    return f"{words if space and len(words) > _MAX_QUESTION // 2 else beginning}…"
