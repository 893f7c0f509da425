"""What counts as written by the user, and that finding it out takes bounded work, once a run."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graph.labels.call_form import MAX_ARGUMENTS, has_written
from graph.labels.user_words import MAX_PLACES, MAX_TEXT, MAX_VALUE, UserWords, WordsOfUsers

pytestmark = pytest.mark.promise("confidential-data-stays")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Weather in Ulm?", "Ulm"),
        ("weather in ulm", "Ulm"),
        ("WEATHER IN NEW YORK", "New York"),
        ("the wiki page https://wiki.example/a?b=c, please", "https://wiki.example/a?b=c"),
        ("write to eve@evil.example", "eve@evil.example"),
        ("pay 8,250.00 now", "8,250.00"),
        ("明天杭州天气怎么样", "杭州"),
        ("Погода в Москве", "Москве"),
        ("서울의 날씨", "서울"),
        ("İ, and then Ulm", "ulm"),
        ("Weather in İzmir", "İzmir"),
        ("the ΟΔΟΣ", "Οδος"),
    ],
)
def test_whole_words_in_regular_capitals_are_written(text: str, value: str) -> None:
    assert UserWords.of(text).place(value) is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Weather in Ulm?", "uLm"),
        ("Weather in Ulm?", "Ul"),
        ("Weather in Ulm?", "lm"),
        ("Погода в Москве", "Моск"),
        ("New York", "New  York"),
        ("New York", "York "),
        ("New York", " New"),
        ("New York", ""),
        ("New York", "York New"),
        ("caf\u00e9", "caf"),
        ("ulm Ulm uLM", "ulM"),
    ],
)
def test_parts_of_words_and_other_spaces_are_not_written(text: str, value: str) -> None:
    assert UserWords.of(text).place(value) is None


def test_text_is_read_once_however_many_calls_ask_for_it() -> None:
    known = WordsOfUsers()
    messages = [HumanMessage("x " * 450_000), AIMessage("no"), HumanMessage("Weather in Ulm?")]
    first = known.of(messages)
    for _ in range(20):
        assert known.of([*messages, AIMessage("and more")]) is first
    assert known.texts_read == 1


def test_work_is_bounded_whatever_the_text_and_the_values() -> None:
    words = UserWords.of("a " * 450_000 + "Ulm")
    assert len(words.text) <= MAX_TEXT
    assert len(words.ends) <= MAX_TEXT
    assert max(len(places) for places in words.places.values()) <= MAX_PLACES
    assert words.place("Ulm") is not None
    assert words.place("a " * MAX_VALUE) is None
    names = [str(number) for number in range(1_000)]
    parameters = {"properties": {name: {} for name in names}}
    assert has_written(dict.fromkeys(names[:MAX_ARGUMENTS], "Ulm"), parameters, words)
    assert not has_written(dict.fromkeys(names, "Ulm"), parameters, words)


def test_words_before_the_newest_that_are_read_are_not_written() -> None:
    messages = [HumanMessage("Ulm"), HumanMessage("x " * MAX_TEXT), HumanMessage("Oslo")]
    words = WordsOfUsers().of(messages)
    assert words.place("Oslo") is not None
    assert words.place("Ulm") is None
