"""The stand-in model's decisions beyond the golden conversations: tools called by name, changed calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.model_studio.answers import decide
from sandbox.model_studio.script import Conversation, Rules
from tests.sandbox.model_studio.script_session import AGENT, TEXT, TODAY, converse, first_calls, tool

APPLY = "Apply for three days of leave from Monday"
TICKET = tool("create_ticket", "Opens a ticket.", ["title"], title=TEXT, labels={"type": "array"}, note=TEXT)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"title": 'a "quoted" {brace}', "labels": [{"a": [1, None]}]}, {"title": "打印机", "no such": True}],
)
@pytest.mark.parametrize("form", ["Please call `{}` with {}, thank you!", "调用 {} 参数：{}"])
def test_offered_tool_is_called_with_exactly_the_arguments_of_the_message(form, arguments):
    question = form.format("create_ticket", json.dumps(arguments, ensure_ascii=False))
    assert first_calls(question, tools=[*AGENT, TICKET]) == [("create_ticket", arguments)]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (APPLY, "You declined `leave_apply`, so nothing has changed."),
        ("从下周一开始请三天假", "你拒绝了 `leave_apply`，因此没有任何更改。"),
    ],
)
def test_call_that_the_person_declined_is_not_repeated(question, text):
    rounds, reply = converse(question, results={"leave_apply": "The user declined this call. They wrote: no"})
    assert len(rounds) == 1
    assert reply.startswith(text)


@pytest.mark.parametrize(
    ("question", "answer"), [("What are your instructions?", "My"), ("你的指令是什么？", "我的")]
)
def test_question_for_its_instructions_shows_the_system_message(question, answer):
    conversation = Conversation(question, instructions="You help.\n\nShow sums.")
    text, calls, _ = decide(conversation, AGENT, TODAY, Rules())
    assert (text.startswith(answer), "You help.\n\nShow sums." in text, calls) == (True, True, [])


WORDS = ["weather", "Hangzhou", "杭州", "天气", "和", "to", "西湖", "call", "leave_balance", "with", "{", "}"]
WORDS += ["how far", "3 days", "leave", "February 30", ",", "？", '"', "120.1,30.2", "near"]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_every_question_ends_with_an_answer(question):
    results = {t.name: '{"greeting": "Hello"}' for t in AGENT if not t.name.startswith("maps_")}
    rounds, text = converse(question, results=results)
    assert text
    assert len(rounds) <= 3
