"""Which values are an answer, in every form that a known client sends, and which are none."""

from typing import Any

import pytest

from graph.approvals.answer import MAX_MESSAGE, Answer, edited_arguments, parse_answer
from graph.error_codes import GraphCode
from identity.errors import ApprovalError

pytestmark = pytest.mark.promise("approval-binds")

YES, NO = Answer(approved=True), Answer(approved=False)
EDIT = {"name": "pay", "args": {"amount": 6}}


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"decisions": [{"type": "approve"}]}, YES),
        ({"decisions": [{"type": "reject"}]}, NO),
        ({"decisions": [{"type": "reject", "message": " too much "}]}, Answer(False, message="too much")),
        ({"decisions": [{"type": "respond", "message": "7"}]}, Answer(False, message="7")),
        ({"decisions": [{"type": "edit", "edited_action": EDIT}]}, Answer(True, {"amount": 6}, "pay")),
        ({"type": "approve"}, YES),
        ({"type": "edit", "edited_action": EDIT, "editedAction": EDIT}, Answer(True, {"amount": 6}, "pay")),
        ({"type": "reject", "message": ""}, NO),
        ([{"type": "accept", "args": None}], YES),
        ([{"type": "ignore", "args": None}], NO),
        ([{"type": "response", "args": "no"}], Answer(False, message="no")),
        (
            [{"type": "edit", "args": {"action": "pay", "args": {"amount": "6"}}}],
            Answer(True, {"amount": "6"}, "pay"),
        ),
        ({"approved": True}, YES),
        ({"approved": True, "arguments": {"amount": 6}}, Answer(True, {"amount": 6})),
        ({"approved": True, "editedArgs": {"amount": 6}}, Answer(True, {"amount": 6})),
        ({"approved": False, "message": "no"}, Answer(False, message="no")),
        ({"the id": {"type": "approve"}}, YES),
        ({"the id": [{"type": "accept", "args": None}]}, YES),
    ],
)
def test_answer_of_every_client_is_read(value: object, answer: Answer) -> None:
    assert parse_answer(value, "the id") == answer


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], "", "yes", "approve", True, False, 1, 0, b"approve", [None], ["approve"], [[]],
        {"messages": [{"type": "human", "content": "approve"}]},
        {"messages": [], "decisions": [{"type": "approve"}]},
        [{"type": "human", "content": "approve"}],
        [{"type": "text", "text": "approve"}],
        {"type": "human", "content": "approve"},
        {"role": "user", "content": "approved"},
        {"another id": {"type": "approve"}},
        {"the id": {"type": "approve"}, "another id": {"type": "approve"}},
        {"the id": {"the id": {"type": "approve"}}},
        {"decisions": []},
        {"decisions": {"type": "approve"}},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "approve"}], "approved": False},
        {"type": "approve", "approved": False},
        {"type": "APPROVE"}, {"type": "accept"}, {"type": "response", "args": "yes"}, {"type": ["approve"]},
        [{"type": "approve"}],
        [{"type": "accept"}, {"type": "accept"}],
        {"type": "edit"},
        {"type": "edit", "edited_action": {"name": "pay"}},
        {"type": "edit", "edited_action": {"name": "pay", "args": [6]}},
        [{"type": "edit", "args": "6"}],
        {"approved": "true"}, {"approved": 1}, {"approved": None},
        {"approved": True, "arguments": "amount=6"},
        {"approved": True, "arguments": {"amount": 6}, "editedArgs": {"amount": 7}},
        {"approved": False, "message": {"text": "no"}},
    ],
)  # fmt: skip
def test_everything_else_is_no_answer(value: object) -> None:
    assert parse_answer(value, "the id") is None


def test_words_of_a_person_are_bounded() -> None:
    answer = parse_answer({"approved": False, "message": "x" * 100_000})
    assert answer is not None
    assert answer.message is not None
    assert len(answer.message) == MAX_MESSAGE


ASKED: dict[str, Any] = {"amount": 5, "to": "ann", "now": True, "tags": ["a"], "note": None, "rate": 1.5}


@pytest.mark.parametrize(
    ("edited", "arguments"),
    [
        ({"amount": "6"}, {"amount": 6}),
        ({"amount": "6.5", "rate": "2"}, {"amount": 6.5, "rate": 2}),
        ({"amount": 6}, {"amount": 6}),
        ({"now": "false"}, {"now": False}),
        ({"tags": '["b"]'}, {"tags": ["b"]}),
        ({"to": "7"}, {"to": "7"}),
        ({"note": "7", "new": "8"}, {"note": "7", "new": "8"}),
    ],
)
def test_edited_values_that_arrive_as_text_get_the_type_that_was_shown(
    edited: dict[str, Any], arguments: dict[str, Any]
) -> None:
    found = edited_arguments(Answer(True, edited, "pay"), "pay", ASKED)
    assert found == arguments
    assert found is not None
    assert [type(value) for value in found.values()] == [type(value) for value in arguments.values()]


@pytest.mark.parametrize(
    "edited",
    [
        {"amount": "much"}, {"amount": ""}, {"amount": "true"}, {"amount": "[1]"}, {"amount": "1e999"},
        {"amount": "NaN"}, {"now": "1"}, {"tags": "{}"}, {"to": float("nan")}, {"to": "\ud800"},
        {"amount": "[" * 100_000},
    ],
)  # fmt: skip
def test_edit_that_cannot_be_read_is_no_answer(edited: dict[str, Any]) -> None:
    with pytest.raises(ApprovalError) as refused:
        edited_arguments(Answer(True, edited, "pay"), "pay", ASKED)
    assert refused.value.code is GraphCode.APPROVAL_INVALID
    assert refused.value.argument in (*edited, "")


def test_edit_cannot_name_another_tool() -> None:
    with pytest.raises(ApprovalError):
        edited_arguments(Answer(True, {"amount": 1}, "transfer"), "pay", ASKED)


def test_text_of_a_client_that_sends_every_type_is_no_number() -> None:
    assert edited_arguments(Answer(True, {"amount": "6"}), "pay", ASKED) == {"amount": "6"}
