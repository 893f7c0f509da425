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
    word = re.sub(r"(?<=..)ies$", "y", word.lower())
    return re.sub(r"^(\w{3,}?)(?:ing|ed|es|s|e)$(?<!ss)", r"\1", word)


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """Content words: stems of Latin words (camelCase and snake_case apart), pairs of Chinese characters."""
    latin = {stem(word) for word in _latin(text) if len(word) > 1} - set(map(stem, STOP_WORDS))
    runs = re.findall(rf"{CHINESE.pattern}+", _FILLERS.sub(" ", text))
    return frozenset(latin | {run[i : i + 2] for run in runs for i in range(len(run) - 1)})


@lru_cache(maxsize=1024)
def terms(text: str) -> frozenset[str]:
    """Content words, and the concepts that stand for them, as `@weather`."""
    searched = f" {' '.join(map(stem, _latin(text)))} {text}"
    return words(text) | {f"@{name}" for name, pattern in _CONCEPTS.items() if pattern.search(searched)}


def chinese(text: str) -> bool:
    """Whether `text` is to be answered in Chinese: more Chinese characters than Latin words."""
    return len(CHINESE.findall(text)) > len(_WORD.findall(text))


def _latin(text: str) -> list[str]:
    return _WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", text))


def _concept(entries: str) -> re.Pattern[str]:
    """Latin entries as whole stems between blanks, Chinese ones as they are."""
    written = [f" {' '.join(map(stem, e.split()))} " if e.isascii() else e for e in entries.split("|")]
    return re.compile("|".join(written))


_OTHERS = {text.split("|")[0]: text for text in re.split(r";\s*", LANGUAGE["other_concepts"].strip())}
_CONCEPTS = {name: _concept(entries) for name, entries in (LANGUAGE["concepts"] | _OTHERS).items()}
