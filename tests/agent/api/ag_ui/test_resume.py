"""Answers to approvals in a request, in both forms of AG-UI's clients."""

import json
from typing import Any

import pytest

from agent.api.ag_ui.resume import Answers, answers_in
from agent.api.ag_ui.run_input import read_run_input
from agent.errors.error_response import RequestError
from agent.runs.run import Paused
from identity.errors import ApprovalError
from tests.agent.api.ag_ui.test_interrupts import waiting

pytestmark = pytest.mark.promise("approval-binds")

APPROVED = {"approved": True}
CALL = {"id": "call_1", "type": "function", "function": {"name": "leave_apply", "arguments": "{}"}}


def answers(*messages: Any, **members: Any) -> Answers | None:
    body = {"threadId": "t", "runId": "r", "messages": list(messages), **members}
    return answers_in(read_run_input(json.dumps(body).encode()))


def command(**members: Any) -> dict[str, Any]:
    return {"forwardedProps": {"command": members}}


def named(found: Answers | None, *open_ones: Paused) -> dict[str, Any]:
    assert found
    return found.named([pending for end in open_ones for pending in end.pending])


@pytest.mark.parametrize(
    "members", [{}, {"resume": []}, {"forwardedProps": {"command": {"update": {}}}}, {"forwardedProps": "x"}]
)
def test_request_without_an_answer_has_none(members: dict[str, Any]) -> None:
    assert answers(**members) is None


def test_resolved_interrupt_is_answered_by_its_payload() -> None:
    entry = {"interruptId": "a", "status": "resolved", "payload": APPROVED}

    assert named(answers(resume=[entry])) == {"a": APPROVED}


def test_dismissed_interrupt_is_a_dismissal_whatever_its_payload_says() -> None:
    entry = {"interruptId": "a", "status": "cancelled", "payload": APPROVED}

    assert named(answers(resume=[entry])) == {"a": {"action": "cancel"}}


def test_interrupt_is_answered_once() -> None:
    entry = {"interruptId": "a", "status": "resolved", "payload": APPROVED}
    with pytest.raises(RequestError) as raised:
        answers(resume=[entry, entry | {"status": "cancelled"}])

    assert raised.value.param == "resume[1].interruptId"


@pytest.mark.parametrize(
    "answer", [{"decisions": [{"type": "approve"}]}, '{"decisions": [{"type": "approve"}]}']
)
@pytest.mark.parametrize("as_text", [True, False])
def test_answer_with_the_event_it_answers_names_the_approval(answer: Any, as_text: bool) -> None:
    event = {"approval": {"id": "b" * 32}}
    found = answers(**command(resume=answer, interruptEvent=json.dumps(event) if as_text else event))

    assert named(found) == {"b" * 32: {"decisions": [{"type": "approve"}]}}


def test_answer_without_a_name_is_for_the_open_approval_whose_call_the_client_shows() -> None:
    shown = {"id": "m1", "role": "assistant", "toolCalls": [CALL]}

    assert named(answers(shown, **command(resume=APPROVED)), waiting()) == {"a" * 32: APPROVED}


@pytest.mark.parametrize(
    "shown", [(), ({"id": "m1", "role": "assistant", "toolCalls": [CALL | {"id": "old"}]},)]
)
def test_answer_without_a_name_is_refused_if_the_client_shows_another_call(shown: Any) -> None:
    with pytest.raises(ApprovalError):
        named(answers(*shown, **command(resume=APPROVED)), waiting())


def test_answer_without_a_name_is_refused_if_nothing_is_open() -> None:
    shown = {"id": "m1", "role": "assistant", "toolCalls": [CALL]}
    with pytest.raises(ApprovalError):
        named(answers(shown, **command(resume=APPROVED)))


@pytest.mark.parametrize("value", [None, "yes", {}, ""])
def test_value_of_any_form_is_passed_on_to_be_refused(value: Any) -> None:
    event = {"approval": {"id": "a"}}

    assert named(answers(**command(resume=value, interruptEvent=event))) == {"a": value}
