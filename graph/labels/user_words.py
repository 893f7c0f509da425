"""The words that a user has written: found in bounded time, however long the text and however many values.

A text is read once, into the places of its words; of every later question the cost depends on how often the
first word of a value occurs. A value counts as written only as whole words, with the user's own spaces and
punctuation, and with their capitals or regular ones: a mixture of others could carry data.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cachetools import LRUCache
from langchain_core.messages import AnyMessage

from graph.authorship import is_typed_by_user

MAX_TEXT: Final = 32_768
"""Characters of the user's messages that are read, the newest."""
MAX_VALUE: Final = 200
"""Characters of a value. A longer one does not count as written."""
MAX_PLACES: Final = 1_024
"""Places of one word that are looked at."""
_CACHED: Final = 16
_NO_SPACES: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
)
"""Letters of languages that are written without spaces: each is a word."""
_WORD: Final = re.compile(rf"[^\W_{_NO_SPACES}]+|\S")
_CAPITALS: Final = (str.lower, str.upper, str.title, str.capitalize)


@dataclass(frozen=True, slots=True)
class UserWords:
    """The words of one text, which is also there in lower case, character for character. `places` are those
    of each word, in lower case, and `ends` where words end.
    """

    text: str
    lower: str = field(repr=False)
    places: dict[str, list[int]] = field(repr=False)
    ends: frozenset[int] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "UserWords":
        """Reads the last `MAX_TEXT` characters of `text`."""
        text = text[-MAX_TEXT:]
        places = defaultdict[str, list[int]](list)
        ends = set[int]()
        for word in _WORD.finditer(text):
            ends.add(word.end())
            of_word = places[word[0].lower()]
            if len(of_word) < MAX_PLACES:
                of_word.append(word.start())
        return cls(text, _lower(text), dict(places), frozenset(ends))

    def place(self, value: str) -> int | None:
        """Where the user has written `value` first; `None`: nowhere."""
        first = _WORD.match(value)
        if first is None or len(value) > MAX_VALUE:
            return None
        lower = _lower(value)
        is_regular = any(value == capitals(lower) for capitals in _CAPITALS)
        for start in self.places.get(first[0].lower(), ()):
            is_written = start + len(value) in self.ends and self.lower.startswith(lower, start)
            if is_written and (is_regular or self.text.startswith(value, start)):
                return start
        return None


def _lower(text: str) -> str:
    """`text` in lower case, with as many characters: the few whose lower case has more stay."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


class WordsOfUsers:
    """The words of the latest runs: the text of a run is read once."""

    def __init__(self) -> None:
        self._known: LRUCache[bytes, UserWords] = LRUCache(_CACHED)
        self.texts_read = 0
        """How many texts were read."""

    def of(self, messages: Sequence[AnyMessage]) -> UserWords:
        """The words that the user has written in `messages`."""
        text = user_text(messages)
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        words = self._known.get(key)
        if words is None:
            self.texts_read += 1
            words = self._known[key] = UserWords.of(text)
        return words


def user_text(messages: Sequence[AnyMessage]) -> str:
    """The newest `MAX_TEXT` characters that the user has typed in `messages`."""
    texts: list[str] = []
    left = MAX_TEXT
    for message in reversed(messages):
        if not is_typed_by_user(message):
            continue
        content = message.content
        text = content if isinstance(content, str) else str(message.text)
        texts.append(text[-left:])
        left -= len(texts[-1]) + 1
        if left <= 0:
            break
    return "\n".join(reversed(texts))
