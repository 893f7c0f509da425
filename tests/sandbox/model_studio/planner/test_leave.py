"""Leave in the words of people: applied for, cancelled, listed, and declined by the person who is asked."""

import json

import pytest

from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome
from sandbox.model_studio.planner.planning import decide
from tests.sandbox.model_studio.planner.planner_session import ALL, TODAY, converse, first_calls

APPLIED = {"status": "applied", "days": 3, "from": "2026-11-30", "to": "2026-12-02", "days_left": 9}


def apply(days, first_day):
    return ("leave_apply", {"days": days, "first_day": first_day})


def cancel(first_day):
    return ("leave_cancel", {"first_day": first_day})


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Apply for three days of leave from Monday", apply(3, "2026-11-30")),
        ("Apply for 3 days of leave from 2026-12-01", apply(3, "2026-12-01")),
        ("I'd like to take two days off starting tomorrow", apply(2, "2026-11-25")),
        ("Please request leave for 5 days from December 7", apply(5, "2026-12-07")),
        ("Take one day of leave on Friday", apply(1, "2026-11-27")),
        ("从下周一开始请三天假", apply(3, "2026-11-30")),
        ("我想从12月1日起请3天假", apply(3, "2026-12-01")),
        ("帮我申请两天年假，从明天开始", apply(2, "2026-11-25")),
        ("明天请一天假", apply(1, "2026-11-25")),
        ("Cancel my leave from Monday", cancel("2026-11-30")),
        ("取消12月1日的请假", cancel("2026-12-01")),
        ("撤销周一的假", cancel("2026-11-30")),
        ("Show my leave applications", ("leave_applications", {})),
        ("我的请假记录", ("leave_applications", {})),
        ("How many days off do I have left?", ("leave_balance", {})),
        ("我还剩多少天年假？", ("leave_balance", {})),
    ],
)
def test_question_about_leave_becomes_one_call(question, expected):
    assert first_calls(question) == [expected]


@pytest.mark.parametrize(
    ("question", "earlier", "expected"),
    [
        ("cancel my leave", "Apply for three days of leave from Monday", cancel("2026-11-30")),
        ("取消我的休假", "从下周一开始请三天假", cancel("2026-11-30")),
        ("From Monday", "Apply for three days of leave", apply(3, "2026-11-30")),
    ],
)
def test_day_may_come_from_the_question_before(question, earlier, expected):
    assert first_calls(question, earlier=earlier) == [expected]


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("Apply for leave from Monday", "**days**"),
        ("cancel my leave", "**first_day**"),
        ("我要请假", "**days**"),
    ],
)
def test_missing_day_is_asked_for(question, missing):
    rounds, text = converse(question)
    assert rounds == []
    assert missing in text


@pytest.mark.parametrize(
    ("question", "result", "text"),
    [
        (
            "Apply for three days of leave from Monday",
            APPLIED,
            "Applied for 3 days of leave from 2026-11-30 to 2026-12-02. Days left: 9.",
        ),
        ("从下周一开始请三天假", APPLIED, "已申请休假 3 天：2026-11-30 至 2026-12-02。剩余 9 天。"),
        (
            "Cancel my leave from Monday",
            APPLIED | {"status": "cancelled"},
            "Cancelled the leave from 2026-11-30 to 2026-12-02. Days left: 9.",
        ),
        (
            "Take one day of leave on Friday",
            APPLIED | {"days": 1},
            "Applied for 1 day of leave from 2026-11-30 to 2026-12-02. Days left: 9.",
        ),
        ("Take one day of leave on Friday", {"status": ["odd"]}, "The tool answered:"),
        ("Take one day of leave on Friday", {"status": "applied"}, "Applied for ? days"),
    ],
)
def test_change_of_leave_is_put_into_words(question, result, text):
    answers = dict.fromkeys(["leave_apply", "leave_cancel"], json.dumps(result))
    assert converse(question, answers=answers)[1].startswith(text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Apply for three days of leave from Monday", "You declined `leave_apply`, so nothing has changed."),
        ("从下周一开始请三天假", "你拒绝了 `leave_apply`，因此没有任何更改。"),
    ],
)
def test_call_that_the_person_declined_is_not_repeated(question, text):
    rounds, reply = converse(question, answers={"leave_apply": "The user declined this call. They wrote: no"})
    assert rounds == [["leave_apply"]]
    assert reply.startswith(text)


def test_call_that_the_person_changed_is_not_repeated():
    wanted, done = apply(3, "2026-11-30"), apply(2, "2026-11-30")
    outcome = Outcome(Call(*done), json.dumps(APPLIED | {"days": 2, "to": "2026-12-01"}))
    question = "Apply for three days of leave from Monday"
    decision = decide(Conversation(question, (), (outcome,)), ALL, TODAY)
    assert first_calls(question) == [wanted]
    assert decision.calls == ()
    assert "2 days" in decision.text
