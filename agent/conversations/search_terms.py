"""The terms by which conversations are found: the words of titles, questions and answers, as keyed hashes.

Of scripts without spaces between words, the terms are pairs of characters that follow each other. The key of
the hashes is the owner's, and depends on the encryption key if there is one: equal words of two users are
unequal, and without the key no word can be looked for. The terms of a thread are beside each other, so that a
message adds them to few pages of the database; a search looks into one thread after the other.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Final

from agent.conversations.database.database import Statement, Value
from agent.conversations.encryption.encryption import Encryption

TERM_BYTES: Final = 50
"""The size of a stored term, about."""
MOST_TERMS: Final = 500
"""The first terms of one message are stored."""
MOST_WANTED: Final = 16
"""The first terms of one search are looked for."""

_MOST_CHARACTERS: Final = 20_000
"""Characters of one message, among which its terms are."""
_MOST_LETTERS: Final = 32
"""The first letters of a word."""
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Han, and Hangul, whose words have endings."""
_WORDS: Final = re.compile(r"[^\W_]+")
_RUNS: Final = re.compile(f"([{_UNSPACED}]+)")
_TITLE: Final = b"title\0"
_TEXT: Final = b"text\0"
_SIZE: Final = 5


class SearchTerms:
    """Makes and stores terms. `encryption` has the keys: the first one hashes, all are searched."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def of_texts(self, owner: str, texts: Iterable[str]) -> list[bytes]:
        """The terms of messages, at most `MOST_TERMS` of each."""
        hashed = _hashing(self._encryption.search_keys[0], owner)
        terms = dict.fromkeys(term for text in texts for term in islice(_terms(text), MOST_TERMS))
        return [hashed(_TEXT, term) for term in terms]

    def of_title(self, owner: str, title: str | None) -> list[bytes]:
        """The terms of a title: of each word, its beginnings."""
        hashed = _hashing(self._encryption.search_keys[0], owner)
        return [hashed(_TITLE, term) for term in _beginnings(title or "")]

    def wanted(self, owner: str, search: str) -> list[list[bytes]]:
        """For each term of a search, what it may be stored as. None, if the search has no terms."""
        hashes = [_hashing(key, owner) for key in self._encryption.search_keys]

        def stored_as(term: str) -> list[bytes]:
            return [hashed(kind, term) for hashed in hashes for kind in (_TEXT, _TITLE)]

        return [stored_as(term) for term in islice(_terms(search), MOST_WANTED)]

    def not_of_title(self, owner: str, key: int, title: str | None) -> list[Statement]:
        """Removes the terms of a former title."""
        beginnings = _beginnings(title or "")
        terms: list[bytes] = []
        for search_key in self._encryption.search_keys:
            hashed = _hashing(search_key, owner)
            terms += [hashed(_TITLE, term) for term in beginnings]
        sql = f"DELETE FROM terms WHERE thread_key = ? AND {_among(terms)}"  # noqa: S608 - constants
        return [Statement(sql, (key, *terms))] if terms else []


def insertion(terms: list[bytes], thread: str, *values: Value) -> list[Statement]:
    """Stores the terms of the threads that fulfil the condition `thread`."""
    if not terms:
        return []
    return [
        Statement(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"  # noqa: S608 - constants
            f" INSERT INTO terms (thread_key, term) SELECT key, substr(?, n * {_SIZE} + 1, {_SIZE})"
            f" FROM numbers, threads WHERE {thread} ON CONFLICT DO NOTHING",
            (len(terms) - 1, b"".join(terms), *values),
        )
    ]


def having(wanted: Iterable[Sequence[bytes]]) -> tuple[str, list[bytes]]:
    """That a row of `threads` has one of the terms of each of `wanted`, in SQL, and its values."""
    # With EXISTS, PostgreSQL reads the terms of all users at once.
    conditions = ["1 = 1"] + [
        f"(SELECT 1 FROM terms WHERE thread_key = threads.key AND {_among(stored)} LIMIT 1) IS NOT NULL"  # noqa: S608 - constants
        for stored in wanted
    ]
    return " AND ".join(conditions), [term for stored in wanted for term in stored]


def _among(terms: Sequence[bytes]) -> str:
    return f"term IN ({', '.join('?' * len(terms))})"


def _hashing(key: bytes, owner: str) -> Callable[[bytes, str], bytes]:
    of_owner = hashlib.blake2b(owner.encode(errors="replace"), key=key).digest()
    keyed = hashlib.blake2b(key=of_owner, digest_size=_SIZE)

    def hashed(kind: bytes, term: str) -> bytes:
        hash_ = keyed.copy()
        hash_.update(kind + term.encode())
        return hash_.digest()

    return hashed


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The different words, and whether they are of a script without spaces."""
    text = text[:_MOST_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.encode(errors="replace").decode())
    for word in dict.fromkeys(_WORDS.findall(text.casefold())):
        if word.isascii():
            yield word, False
        else:
            yield from ((run, odd) for odd, run in zip(cycle((False, True)), _RUNS.split(word)) if run)


def _terms(text: str) -> dict[str, None]:
    terms: dict[str, None] = {}
    for run, unspaced in _runs(text):
        if unspaced and len(run) > 1:
            terms |= dict.fromkeys(run[n : n + 2] for n in range(len(run) - 1))
        else:
            terms[run[:_MOST_LETTERS]] = None
    return terms


def _beginnings(title: str) -> dict[str, None]:
    """The terms of a title, and what a person has typed of them before they have typed all."""
    terms: dict[str, None] = {}
    for run, unspaced in _runs(title):
        if unspaced:
            terms |= dict.fromkeys([*run, *_terms(run)])
        else:
            terms |= dict.fromkeys(run[:n] for n in range(1, min(len(run), _MOST_LETTERS) + 1))
    return terms
