"""Titles from the first question."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.thread import first_question, one_line


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  How many\tdays\nof leave? ", "How many days of leave?"),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("请" * 80, "请" * 59 + "…"),
        ("a\x00b\x1b[31mc\u2028d", "a b [31mc d"),
        ("half \ud83d", "half \ufffd"),
        ("not \u202eevil\u202c", "not \ufffdevil\ufffd"),
        ("a " + "x" * 80, "a " + "x" * 57 + "…"),
    ],
)
def test_title_is_one_short_line(text: str, title: str) -> None:
    assert first_question([HumanMessage(text)]) == title
    assert len(title) <= 60


def test_first_message_of_a_person_with_text_counts() -> None:
    image = HumanMessage([{"type": "image_url", "image_url": {"url": "data:"}}])
    assert first_question([AIMessage("Hi"), image, HumanMessage(" "), HumanMessage("Leave?")]) == "Leave?"
    assert first_question([AIMessage("Hi"), image]) is None


def test_one_line_has_no_control_characters() -> None:
    assert one_line("\r\nmy\x07 title\x85") == "my title"
