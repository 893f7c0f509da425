"""Words and concepts: how a Chinese question finds a tool that is described in English."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

LANGUAGE = tomllib.loads(Path(__file__).with_name("language.toml").read_text(encoding="utf-8"))
STOP_WORDS = frozenset(LANGUAGE["stop_words"].split())
CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z]+")
_FILLERS = re.compile(LANGUAGE["fillers"].strip())


def stem(word: str) -> str:
    """A light stem, lower case: `orders` → `order`, `driving` → `driv`, `cities` → `city`."""
    word = word.lower()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s", "e"):
        if len(word) - len(ending) >= 3 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """Content words: stems of Latin words (camelCase and snake_case apart), pairs of Chinese characters."""
    latin = {stem(word) for word in _latin(text) if word.lower() not in STOP_WORDS and len(word) > 1}
    runs = re.findall(rf"{CHINESE.pattern}+", _FILLERS.sub(" ", text))
    pairs = {run[i : i + 2] for run in runs for i in range(len(run) - 1)}
    return frozenset((latin - _STEMMED_STOP_WORDS) | pairs)


@lru_cache(maxsize=1024)
def concepts(text: str) -> frozenset[str]:
    """The concepts that `text` touches."""
    latin = f" {' '.join(map(stem, _latin(text)))} "
    return frozenset(
        name
        for name, entries in _CONCEPTS.items()
        if any(re.search(e, latin if e[0] == " " else text) for e in entries)
    )


def chinese(text: str) -> bool:
    """Whether `text` is to be answered in Chinese: more Chinese characters than Latin words."""
    return len(CHINESE.findall(text)) > len(_WORD.findall(text))


def _latin(text: str) -> list[str]:
    return _WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", text))


def _entry(written: str) -> str:
    """A Latin entry as whole stems between blanks, a Chinese one as it is."""
    return f" {' '.join(map(stem, written.split()))} " if written.isascii() else written


_STEMMED_STOP_WORDS = frozenset(map(stem, STOP_WORDS))
_CONCEPTS = {name: tuple(map(_entry, text.split("|"))) for name, text in LANGUAGE["concepts"].items()}
