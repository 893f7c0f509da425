"""Titles of services, tools and arguments: one line each, and none that a person could take for another."""

import pytest
from pydantic import ValidationError

from tools.titles import ToolTitles, Words, alike, misleading_arguments


def test_one_language_stands_for_both():
    assert Words(zh="金额").both() == {"en": "金额", "zh": "金额"}
    assert Words(en="Amount", zh="金额").both() == {"en": "Amount", "zh": "金额"}


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"en": ""},
        {"en": " Amount"},
        {"en": "Am\nount"},
        {"en": "Am\tount"},
        {"en": "Am" + " " * 9 + "ount"},
        {"en": "\u202eAmount"},
        {"en": "x" * 61},
        {"fr": "Montant"},
    ],
)
def test_title_is_one_visible_line_of_a_known_language(words):
    with pytest.raises(ValidationError):
        Words.model_validate(words)


@pytest.mark.parametrize(
    ("titles", "fault"),
    [
        ({"from": "Account", "to": "account"}, '"to", like "from"'),
        ({"from": "to", "to": "Target"}, '"from", like "to"'),
        ({"from": "From", "to": "To"}, None),
        ({"to": "to"}, None),
    ],
)
def test_two_arguments_never_read_alike(titles, fault):
    assert alike({name: Words(en=title) for name, title in titles.items()}) == fault
    if fault is not None:
        with pytest.raises(ValidationError, match=f"another title for the argument {fault}"):
            ToolTitles(arguments={name: Words(en=title) for name, title in titles.items()})


def test_title_is_never_the_name_of_an_argument_without_one():
    titles = {"pay": ToolTitles(arguments={"from": Words(en="TO"), "note": Words(en="Note")})}
    assert misleading_arguments(titles, "pay", ["from", "to", "note"]) == ["from"]
    assert misleading_arguments(titles, "pay", ["from", "note"]) == []
