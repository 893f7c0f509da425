"""Questions that continue the one before: `And tomorrow?`, `And in Beijing?`, a bare value."""

import pytest

from sandbox.model_studio.message_history import conversation
from sandbox.model_studio.planner.conversation import Conversation
from sandbox.model_studio.planner.planning import decide
from tests.sandbox.model_studio.planner.planner_session import ALL, TODAY, converse, first_calls, tool

TEXT = {"type": "string"}
EXPENSES = tool(
    "travel_expenses",
    "What an employee spent on travel in a month.",
    ["month"],
    month=TEXT,
    employee=TEXT,
)
HANGZHOU = "What is the weather in Hangzhou?"


def weather(city):
    return ("maps_weather", {"city": city})


@pytest.mark.parametrize(
    ("question", "earlier", "expected"),
    [
        ("And tomorrow?", [HANGZHOU], [weather("Hangzhou")]),
        ("What about Friday?", [HANGZHOU], [weather("Hangzhou")]),
        ("明天呢？", ["杭州天气怎么样"], [weather("杭州")]),
        ("And in Beijing?", [HANGZHOU], [weather("Beijing")]),
        ("How about Shanghai and Suzhou?", [HANGZHOU], [weather("Shanghai"), weather("Suzhou")]),
        ("And in Atlantis?", [HANGZHOU], [weather("Atlantis")]),
        ("那上海呢？", ["杭州天气怎么样"], [weather("上海")]),
        ("And tomorrow?", ["And in Beijing?", HANGZHOU], [weather("Beijing")]),
        ("And in Beijing?", ["Thanks!", HANGZHOU], [weather("Beijing")]),
        ("And in Beijing?", ["Weather in Hangzhou and call my enterprise service"], [weather("Beijing")]),
        ("Atlantis", ["What is the weather?"], [weather("Atlantis")]),
        (
            "And say good night",
            ["Call my enterprise service and say hello"],
            [("call_enterprise_service", {"message": "good night"})],
        ),
        ("And order B-2?", ["Where is my order A-1007?"], [("get_order_status", {"order_id": "B-2"})]),
        ("What about B-22?", ["Where is my order A-1007?"], [("get_order_status", {"order_id": "B-22"})]),
        (
            "And Li Na?",
            ["What is the email of my colleague Zhang Wei?"],
            [("lookup_employee", {"name": "Li Na"})],
        ),
    ],
)
def test_follow_up_repeats_the_call_with_the_new_value(question, earlier, expected):
    assert first_calls(question, earlier=tuple(earlier)) == expected


def test_follow_up_keeps_the_optional_values_that_it_does_not_change():
    first = "How much did Alice spend on travel? employee: Alice, October 2026"
    calls = first_calls("And in September 2026?", tools=[EXPENSES], earlier=first)
    assert calls == [("travel_expenses", {"month": "September 2026", "employee": "Alice"})]


@pytest.mark.parametrize(
    "question",
    ["Thanks!", "hello", "Tell me a joke", "ok", "And you?", "What is the capital of France?", "谢谢"],
)
def test_other_remarks_do_not_repeat_the_call(question):
    assert first_calls(question, earlier=HANGZHOU) == []


def test_answer_to_a_follow_up_about_tomorrow_begins_with_tomorrow():
    _, reply = converse("And tomorrow?", earlier=(HANGZHOU,))
    assert reply.startswith("Hangzhou, 2026-11-25")


def test_earlier_questions_of_a_request_come_newest_first():
    reply = [("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "2"), ("user", "three")]
    messages = [{"role": role, "content": text} for role, text in reply]
    assert conversation(messages) == Conversation("three", ("two", "one"))


def test_long_conversation_is_answered_from_its_last_question_with_a_tool():
    earlier = ("And in Beijing?", "hello", *["Tell me a joke"] * 200, HANGZHOU)
    assert decide(Conversation("And tomorrow?", earlier), ALL, TODAY).calls[0].arguments == {
        "city": "Beijing"
    }
