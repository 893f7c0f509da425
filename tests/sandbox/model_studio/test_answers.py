"""The stand-in model's words for results and failures of tools, in the question's language."""

import json

import pytest

from sandbox.model_studio.answers import STAND_IN, STAND_IN_CHINESE
from tests.sandbox.model_studio.script_session import converse


@pytest.mark.parametrize(
    ("question", "text", "signature"),
    [("What is the weather in Hangzhou?", "| Date |", STAND_IN), ("杭州天气", "| 日期 |", STAND_IN_CHINESE)],
)
def test_answer_is_in_the_language_of_the_question_and_signed_by_the_stand_in(question, text, signature):
    _, reply = converse(question)
    assert text in reply
    assert reply.endswith(signature)


def test_answer_about_tomorrow_begins_with_tomorrow():
    _, reply = converse("Will it rain in Hangzhou tomorrow?")
    assert "2026-11-25" in reply.splitlines()[0]


@pytest.mark.parametrize(
    "result",
    [
        "Error: Cannot read properties of undefined (reading 'city')",
        "Get weather failed: DAILY_QUERY_OVER_LIMIT",
        "external_service_failed: External service call failed (no answer). Likely cause: x. Remedy: y.",
        '{"error": "DAILY_QUERY_OVER_LIMIT", "message": "too much"}',
        '{"ok": false, "message": "no"}',
    ],
)
@pytest.mark.parametrize(("question", "reply"), [("Weather in Hangzhou", "failed"), ("杭州天气", "失败")])
def test_failure_of_a_tool_is_reported_and_not_repeated(result, question, reply):
    rounds, text = converse(question, results={"maps_weather": result})
    assert len(rounds) == 1
    assert reply in text


def test_one_failure_does_not_hide_the_other_answer():
    results = {
        "maps_weather": "Get weather failed: X",
        "call_enterprise_service": '{"greeting": "Hello, alice"}',
    }
    _, text = converse("Weather in Hangzhou and call my enterprise service", results=results, parallel=True)
    assert "failed" in text
    assert "Hello, alice" in text


def test_any_json_becomes_text_with_the_requested_member_first():
    result = json.dumps(
        {
            "employee": "alice",
            "days_left": 12,
            "next_leave": {"from": "2026-12-21"},
            "all": [{"a": 1, "b": None}, {"a": 2}],
            "actor": None,
        }
    )
    _, text = converse("How many days of leave do I have left?", results={"leave_balance": result})
    lines = text.splitlines()
    assert "- days left: 12" in lines
    assert "null" not in text
    assert lines.index("- days left: 12") < lines.index("- employee: alice")
    assert "  - from: 2026-12-21" in lines
    assert "  - a: 1" in lines


@pytest.mark.parametrize("result", ["", "plain words", "[]", "12", "null", '["a", "b"]', '[{"a": 1}]'])
def test_result_of_any_shape_has_an_answer(result):
    _, text = converse("Call my enterprise service", results={"call_enterprise_service": result})
    assert text
