"""The words and patterns of `language.toml`: what a text has, is about, and what is left of it."""

import re
import tomllib
from functools import lru_cache
from itertools import groupby
from pathlib import Path

LANGUAGE = tomllib.loads(Path(__file__).with_name("language.toml").read_text(encoding="utf-8"))
_FLAGS = re.IGNORECASE | re.VERBOSE
_PATTERNS = {name: re.compile(pattern, _FLAGS) for name, pattern in LANGUAGE["patterns"].items()}
_CHINESE = r"[\u3400-\u9fff]+"
_NAME = r"(?<!^)(?<![.?!]\s)[A-Z][\w'’-]+(?:\s+[A-Z\d][\w'’-]*)+"  # not as a sentence begins
_TOKEN = re.compile(rf"{_NAME}|{_CHINESE}|[^\W_](?:[\w'’.@-]*\w)?|\S")


def found(part: str, text: str) -> list[str]:
    """All parts of a text that a pattern finds: its first group that is not empty, or all of it."""
    matches = _PATTERNS[part].finditer(text) if part in _PATTERNS else ()
    return [next(filter(None, match.groups()), match[0]).strip() for match in matches]


def without(text: str, *parts: str) -> str:
    """The text with a comma in the place of such parts."""
    for part in parts:
        text = _PATTERNS[part].sub(" , ", text)
    return text


def words_of(text: str) -> list[str]:
    """Its words in lower case: `startDate` and `start_date` are `start`, `date`."""
    return re.findall(r"[^\W_]+", re.sub("([a-z])([A-Z])", r"\1 \2", text).lower())


def stem(word: str) -> str:
    """A light stem: `orders` → `order`, `driving` → `driv`, `cities` → `city`."""
    word = re.sub(r"(?<=..)ies$", "y", word.lower())
    return re.sub(r"^(\w{3,}?)(?:ing|ed|es|s|e)$(?<!ss)", r"\1", word)


def stems(text: str) -> list[str]:
    """The stems of its Latin words."""
    return [stem(word) for word in words_of(text) if word.isascii() and word.isalpha()]


def rows(table: str, text: str) -> list[str]:
    """The rows of a table of entries that a text mentions, by their first entries."""
    searched = f" {' '.join(stems(text))} {text}"
    return [name for name, pattern in _ROWS[table].items() if pattern.search(searched)]


@lru_cache(maxsize=1024)
def terms(text: str) -> frozenset[str]:
    """What it is about: stems, pairs of Chinese characters, and concepts, as `@weather`."""
    runs = re.findall(_CHINESE, _FILLERS.sub(" ", text))
    pairs = {run[i : i + 2] for run in runs for i in range(len(run) - 1)}
    words = {word for word in stems(text) if len(word) > 1} - _STOP_WORDS
    return frozenset(words | pairs | {f"@{concept}" for concept in rows("concepts", text)})


def remainder(text: str, about: str = "") -> list[str]:
    """Runs of words that neither are stop words nor say what the words `about` a tool say.

    A name of several words with a capital letter stays whole: `New York City`.
    """
    known, phrases = _known(about)

    def is_new(token: str) -> bool:
        parts = re.findall(r"[^\W\d_]+|\d", re.split("['’]", token)[0])
        return " " in token or not known.issuperset(map(stem, parts))

    tokens = _TOKEN.findall(phrases.sub(" , ", text))
    runs = [re.sub("['’]s$", "", " ".join(run)) for new, run in groupby(tokens, is_new) if new]
    return [run for run in runs if re.search(r"[^\W\d_]", run)]


def chinese(text: str) -> bool:
    """Whether `text` is to be answered in Chinese: more Chinese characters than Latin words."""
    return len("".join(re.findall(_CHINESE, text))) > len(re.findall("[A-Za-z]+", text))


@lru_cache(maxsize=256)
def _known(about: str) -> tuple[frozenset[str], re.Pattern[str]]:
    """Stems and Chinese phrases that are about a tool, with those of its concepts."""
    concepts = [_ENTRIES["concepts"][name].partition(" > ")[0] for name in rows("concepts", about)]
    entries = sorted("|".join(concepts).split("|"), key=len, reverse=True)
    phrases = [entry for entry in entries if not entry.isascii()]
    known = _STOP_WORDS.union(stems(" ".join([about, *filter(str.isascii, entries)])))
    return known, re.compile("|".join([*phrases, _FILLERS.pattern]))


def _compiled(entries: str) -> re.Pattern[str]:
    """Latin entries as whole stems between blanks, Chinese ones as they are."""
    split = entries.replace(" > ", "|").split("|")
    whole = [f" {' '.join(map(stem, e.split()))} " if e.isascii() else e for e in split]
    return re.compile("|".join(whole))


_STOP_WORDS = frozenset(stems(LANGUAGE["stop_words"]))
_FILLERS = re.compile(LANGUAGE["fillers"].strip())
_ENTRIES = {
    table: {row.split("|")[0]: row for row in re.split(r"\s*;\s*", LANGUAGE[table].strip())}
    for table in ("concepts", "kinds")
}
_ROWS = {table: {n: _compiled(row) for n, row in rows.items()} for table, rows in _ENTRIES.items()}
