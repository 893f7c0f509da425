"""The function that makes untrusted texts safe to show, and the table that the page's function has too."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from identity.printable import printable, printable_json, without_open_emoji

pytestmark = pytest.mark.promise("seen-before-yes")

ROOT = Path(__file__).parents[2]
TABLE: dict[str, Any] = json.loads((ROOT / "frontend/tests/printable.json").read_text(encoding="utf-8"))
HIDDEN_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def characters(ranges: list[list[str]]) -> list[str]:
    return [chr(code) for first, last in ranges for code in range(int(first, 16), int(last, 16) + 1)]


def text_of(json_text: str) -> str:
    """A text of the table, in which two surrogates are one character."""
    return json_text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_hidden_characters_of_the_table_are_shown_as_escapes() -> None:
    for character in characters(TABLE["hidden"]):
        shown = printable(f"a{character}b")
        assert shown.isascii()
        assert json.loads(f'"{shown}"') == f"a{character}b"


def test_visible_characters_of_the_table_are_shown_as_they_are() -> None:
    for character in characters(TABLE["shown"]):
        assert printable(f"a{character}b") == f"a{character}b"


@pytest.mark.parametrize(("text", "shown"), TABLE["texts"])
def test_text_of_the_table_is_shown_as_it_says(text: str, shown: str) -> None:
    assert printable(text_of(text)) == text_of(shown)


def test_each_hidden_character_and_no_other_is_escaped_in_the_planes_that_have_scripts() -> None:
    unseen = {*characters(TABLE["hidden"]), *map(chr, range(0xE0100, 0xE01F0))}
    codes = [*range(0x20000), *range(0xE0000, 0xE1000)]
    every = [chr(code) for code in codes if chr(code) != "\n"]
    for character, shown in zip(every, printable("\n".join(every)).split("\n"), strict=True):
        hidden = unicodedata.category(character) in HIDDEN_CATEGORIES and character != "\t"
        assert (shown != character) is (hidden or character in unseen), hex(ord(character))


def test_printable_json_has_the_same_value() -> None:
    value = {"detail": " ".join(characters(TABLE["hidden"])) + "杭州", "bad\U000e0041": ["\ud800"]}
    text = printable_json(value)
    assert printable(text) == text
    assert json.loads(text) == value
    assert "杭州" in text


@pytest.mark.parametrize("text", ["app_agent01\n", "+00:00\n", "5\n\n", "#\n", "\U0001f600\n"])
def test_piece_of_an_answer_that_ends_with_a_line_keeps_what_is_before(text: str) -> None:
    assert without_open_emoji(text) == text


@pytest.mark.parametrize(("text", "whole"), [("room 1", "room "), ("ok \U0001f600", "ok "), ("a", "a")])
def test_piece_of_an_answer_waits_for_what_may_change_its_end(text: str, whole: str) -> None:
    assert without_open_emoji(text) == whole
