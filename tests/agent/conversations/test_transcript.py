"""The window: whole turns, the newest ones, within a number of tokens; and the title of a conversation."""

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from agent.conversations.thread import first_question
from agent.conversations.transcript import Window, tokens_of


def turn(number: int, *, calls: int = 0, size: int = 1) -> list[AnyMessage]:
    """A question, some calls with results of `size` words, and an answer."""
    made: list[AnyMessage] = [HumanMessage(f"question {number}")]
    for call in range(calls):
        identifier = f"call_{number}_{call}"
        made.append(AIMessage("", tool_calls=[{"id": identifier, "name": "tool", "args": {}}]))
        made.append(ToolMessage("word " * size, tool_call_id=identifier))
    return [*made, AIMessage(f"answer {number}")]


def window(messages: list[AnyMessage], tokens: int) -> list[AnyMessage]:
    window = Window(tokens)
    for message in reversed(messages):
        if not window.add(message, tokens_of(message)):
            break
    return window.messages()


def size(messages: list[AnyMessage]) -> int:
    return sum(map(tokens_of, messages))


def test_conversation_that_fits_is_whole() -> None:
    messages = [*turn(1, calls=2), *turn(2), *turn(3, calls=1)]
    assert window(messages, size(messages)) == messages


def test_oldest_turns_are_left_out_whole() -> None:
    messages = [*turn(1), *turn(2, calls=1), *turn(3)]
    assert window(messages, size(messages) - size(turn(1))) == [*turn(2, calls=1), *turn(3)]


@pytest.mark.parametrize("missing", range(1, 60))
def test_call_is_never_separated_from_its_results(missing: int) -> None:
    messages = [*turn(1, calls=3), *turn(2, calls=2), *turn(3)]
    kept = window(messages, size(messages) - missing)
    calls = {call["id"] for each in kept if isinstance(each, AIMessage) for call in each.tool_calls}
    assert calls == {each.tool_call_id for each in kept if isinstance(each, ToolMessage)}
    assert isinstance(kept[0], HumanMessage)
    assert kept[-2:] == turn(3)


def test_turn_with_results_that_do_not_fit_keeps_question_and_answer() -> None:
    messages = [*turn(1), *turn(2, calls=1, size=10_000), *turn(3)]
    assert window(messages, 100) == [HumanMessage("question 2"), AIMessage("answer 2"), *turn(3)]


def test_newest_turn_that_does_not_fit_at_all_leaves_nothing() -> None:
    assert window([*turn(1), HumanMessage("word " * 1000), AIMessage("answer")], 100) == []


def test_question_without_an_answer_is_kept() -> None:
    messages = [*turn(1), HumanMessage("question 2"), *turn(3)]
    assert window(messages, 1000) == messages


def test_tokens_are_four_bytes_each() -> None:
    assert tokens_of(HumanMessage("a" * 400)) == 104
    assert tokens_of(HumanMessage("请" * 400)) == 304
    assert tokens_of(AIMessage("", tool_calls=[{"id": "1", "name": "tool", "args": {"a": "b" * 400}}])) > 100


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  How many\tdays\nof leave? ", "How many days of leave?"),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("请" * 80, "请" * 59 + "…"),
        ("\r\na\x00b\x1b[31mc\u2028d\x85", "a b [31mc d"),
        ("half \ud83d", "half \\ud83d"),
        ("not \u202eevil\u202c", "not \\u202eevil\\u202c"),
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
