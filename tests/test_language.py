"""Code, tests, documents and command-line texts contain none of the words that CONTRIBUTING.md avoids."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SENTENCES_FOR_PEOPLE = (
    "CONTRIBUTING.md",  # the list itself
    "sandbox/model_studio/script.toml",  # words that the stand-in model understands
    "tests/test_language.py",
)
SUFFIXES = {".md", ".py", ".toml", ".ts", ".tsx", ".js", ".html", ".css", ".yaml", ".yml", ".sh"}
NEEDS_A_READER = re.compile(r"\(a server\)|^a way")
"""Rows whose words are right in other sentences."""


def avoided() -> re.Pattern[str]:
    """The left column of the second table of CONTRIBUTING.md, as one pattern of whole words."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| avoid | write |")[2]
    words: list[str] = []
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            break
        cell = line.split("|")[1].strip()
        if not NEEDS_A_READER.search(cell):
            words += re.sub(r"\(.*?\)", "", cell).split(",")
    found = "|".join(re.escape(word.strip()) for word in words)
    words_alone = rf"(?<![\w.'-])(?:{found})(?:ed)?(?![\w'-])"
    return re.compile(rf"{words_alone}|test_(?:whoever|nobody|somebody)_", re.IGNORECASE)


def files() -> list[str]:
    """The tracked files that are read."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607 - git of the developer
    return [
        name
        for name in listed.splitlines()
        if (Path(name).suffix in SUFFIXES or name == "Makefile")
        and name not in SENTENCES_FOR_PEOPLE
        and (ROOT / name).is_file()
    ]


def findings() -> list[str]:
    """Each avoided word with its file and line."""
    pattern = avoided()
    return [
        f"{name}:{number}: {match[0]}"
        for name in files()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def test_no_avoided_word_is_used():
    assert findings() == []


def test_the_words_are_read_from_the_glossary():
    pattern = avoided()
    for text in ("Whoever asks", "nobody", "mended", "a tool of ours", "is told", "He is", "in vain"):
        assert pattern.search(text), text
    for text in ("the", "recommend", "amended", "this", "hiss", "withheld"):
        assert not pattern.search(text), text
