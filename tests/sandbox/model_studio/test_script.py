"""The stand-in model's decisions beyond the golden conversations: tools called by name, changed calls."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.model_studio.answers import decide
from sandbox.model_studio.chat_request import read
from sandbox.model_studio.script import Call, Conversation, Outcome, Rules, Tool
from tests.sandbox.model_studio.script_session import AGENT, LEAVE, TEXT, TODAY, converse, first_calls, tool

APPLIED = {"status": "applied", "days": 3, "from": "2026-11-30", "to": "2026-12-02", "days_left": 9}
APPLY = "Apply for three days of leave from Monday"
TICKET = tool(
    "create_ticket",
    "Opens a ticket.",
    ["title", "urgent", "votes", "labels"],
    title=TEXT,
    urgent={"type": "boolean"},
    votes={"type": "integer"},
    labels={"type": "array", "items": TEXT},
    note=TEXT,
)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"title": 'a "quoted" {brace}', "labels": [{"a": [1, None]}]}, {"title": "打印机", "no such": True}],
)
@pytest.mark.parametrize(
    "form", ["call {} with {}", "Please call `{}` with {}, thank you!", "调用 {} 参数：{}"]
)
def test_offered_tool_is_called_with_exactly_the_arguments_of_the_message(form, arguments):
    question = form.format("create_ticket", json.dumps(arguments, ensure_ascii=False))
    assert first_calls(question, tools=[*AGENT, TICKET]) == [("create_ticket", arguments)]


def test_result_of_a_named_tool_ends_the_turn():
    rounds, text = converse('call create_ticket with {"title": "x"}', [TICKET], {"create_ticket": "T-1"})
    assert rounds == [[("create_ticket", {"title": "x"})]]
    assert text.startswith("T-1")


def test_named_tools_are_called_one_after_the_other_without_parallel_calls():
    question = 'call create_ticket with {"title": "x"} and call leave_balance'
    results = {"create_ticket": "T-1", "leave_balance": {"days_left": 12}}
    rounds, _ = converse(question, [TICKET, LEAVE], results, parallel=False)
    assert [[name for name, _ in calls] for calls in rounds] == [["create_ticket"], ["leave_balance"]]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ('call create_tickets with {"title": "x"}', "There is no tool `create_tickets`"),
        ('请帮我调用 create_tickets 参数 {"title": "x"}，谢谢', "此请求中没有工具 `create_tickets`"),
        (
            'call create_ticket with {"title": "x"',
            "must be a JSON object. Say, for example: call create_ticket with",
        ),
        ("call create_ticket with title x", "must be a JSON object"),
    ],
)
def test_call_that_cannot_be_made_is_answered_with_the_reason(question, answer):
    rounds, text = converse(question, [TICKET, LEAVE])
    assert rounds == []
    assert answer in text


def test_example_of_a_call_can_be_said_as_it_is_shown():
    assert first_calls(f"call {TICKET.example}", tools=[TICKET]) == [
        ("create_ticket", {"title": "…", "urgent": True, "votes": 1, "labels": []})
    ]


def test_example_is_shown_where_the_model_has_no_answer():
    _, text = converse("Tell me a joke", [LEAVE, TICKET])
    assert f"call {TICKET.example}" in text


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


def test_call_that_the_person_changed_is_not_repeated():
    done = Call("leave_apply", {"days": 2, "first_day": "2026-11-30"})
    outcome = Outcome(done, json.dumps(APPLIED | {"days": 2, "to": "2026-12-01"}))
    text, calls, _ = decide(Conversation(APPLY, (), (outcome,)), AGENT, TODAY, Rules())
    assert first_calls(APPLY) != [(done.tool, done.arguments)]
    assert calls == []
    assert "2 days" in text


@pytest.mark.parametrize("result", [{"status": ["odd"]}, {"status": "applied"}, "[]", "null"])
def test_odd_result_of_a_change_has_an_answer(result):
    assert converse(APPLY, results={"leave_apply": result})[1]


def test_rules_find_tools_under_a_prefix_and_under_other_names():
    tools = [tool("traffic_weather", "The weather.", ["city"], city=TEXT)]
    assert first_calls("Weather in Hangzhou", tools) == [("traffic_weather", {"city": "Hangzhou"})]


def test_earlier_questions_of_a_request_come_newest_first():
    turns = [("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "2"), ("user", "three")]
    body = {"model": "qwen-plus", "messages": [{"role": role, "content": text} for role, text in turns]}
    assert read(body).conversation == Conversation("three", ("two", "one"))


def test_long_conversation_is_answered_from_its_last_question_with_a_tool():
    earlier = ("And in Beijing?", "hello", *["Tell me a joke"] * 200, "What is the weather in Hangzhou?")
    assert first_calls("And tomorrow?", earlier=earlier) == [("maps_weather", {"city": "Beijing"})]


KEYWORDS = ["type", "enum", "anyOf", "items", "$ref", "description", "default", "required"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(["string", "integer", "array", "x"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON, JSON, JSON, st.booleans(), st.sampled_from(["Weather in Hangzhou", "What can you do?", "hi"]))
def test_any_schema_leads_to_a_decision(city, other, required, must_call, question):
    schema = {"type": "object", "properties": {"city": city, "days": other}, "required": required}
    tools = [Tool("get_weather", "The weather of a city.", schema), Tool("odd", "", {"properties": other})]
    text, calls, _ = decide(Conversation(question, ("weather?",)), tools, TODAY, Rules(must_call=must_call))
    assert calls or text


FRAGMENTS = [
    "weather",
    "Hangzhou",
    "杭州",
    "天气",
    "和",
    "to",
    "西湖",
    "call",
    "leave_balance",
    "with",
    "{",
    "}",
]
FRAGMENTS += ["how far", "3 days", "leave", "February 30", ",", "？", '"', "120.1,30.2", "near"]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join)))
def test_every_question_ends_with_an_answer(question):
    results = {t.name: '{"greeting": "Hello"}' for t in AGENT if not t.name.startswith("maps_")}
    rounds, text = converse(question, results=results)
    assert text
    assert len(rounds) <= 3
