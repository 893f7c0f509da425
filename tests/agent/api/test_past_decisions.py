"""Which call of a conversation a decision is about, where a model gave one id to several."""

import pytest

from agent.api.calls import decisions_about
from agent.conversations.past_calls import PastCall
from graph.approvals.record import ApprovalKind, ApprovalState, ApprovalStatus
from graph.call_arguments import arguments_digest
from tests.graph.approvals.conftest import NOW, request_of


def call(amount: int, at: float, call_id: str = "call_1", tool: str = "pay") -> PastCall:
    return PastCall(call_id, tool, at, "ok", False, {"amount": amount}, {})


def asked(amount: int, at: float, approved: int | None = None, **members: object) -> ApprovalState:
    request = request_of(
        digest=arguments_digest({"amount": amount}), created_at=at, id=f"{amount}-{at}", **members
    )
    digest = None if approved is None else arguments_digest({"amount": approved})
    status = ApprovalStatus.REJECTED if approved is None else ApprovalStatus.USED
    return ApprovalState(request, status, digest, at)


def test_decision_is_shown_at_the_call_with_its_arguments() -> None:
    first, second = asked(5, NOW, 5), asked(9, NOW + 10)
    calls = [call(5, NOW + 1), call(9, NOW + 11)]
    assert decisions_about(calls, [first, second]) == [[first], [second]]
    assert decisions_about(calls, [second]) == [[], [second]]


def test_decision_is_about_the_arguments_that_were_approved() -> None:
    edited = asked(9, NOW, 5)
    assert decisions_about([call(9, NOW + 11), call(5, NOW + 1)], [edited]) == [[], [edited]]


def test_of_calls_with_the_same_arguments_the_one_that_ended_next_was_asked_about() -> None:
    first, second = asked(5, NOW, 5), asked(5, NOW + 10, 5)
    calls = [call(5, NOW + 1), call(5, NOW + 11)]
    assert decisions_about(calls, [first, second]) == [[first], [second]]


def test_question_that_waits_is_about_the_last_call() -> None:
    waits = asked(5, NOW + 20)
    assert decisions_about([call(5, NOW + 1), call(5, NOW + 19)], [waits]) == [[], [waits]]


def test_decision_about_the_only_call_of_its_id_is_shown_whatever_its_arguments() -> None:
    of_others = asked(7, NOW)
    assert decisions_about([call(5, NOW + 1)], [of_others]) == [[of_others]]


@pytest.mark.parametrize(
    "members", [{"call_id": "call_2"}, {"tool": "read"}, {"kind": ApprovalKind.CONSENT_REQUIRED}]
)
def test_question_about_another_call_is_about_none_of_these(members: dict[str, object]) -> None:
    assert decisions_about([call(5, NOW + 1)], [asked(5, NOW, 5, **members)]) == [[]]


def test_arguments_of_each_call_are_read_once_where_all_calls_have_one_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests: list[object] = []

    def counted(arguments: dict[str, object]) -> str:
        digests.append(arguments)
        return arguments_digest(arguments)

    monkeypatch.setattr("agent.api.calls.arguments_digest", counted)
    calls = [call(amount % 3, NOW + amount + 0.5) for amount in range(300)]
    states = [asked(amount % 3, NOW + amount, amount % 3) for amount in range(300)]
    assert decisions_about(calls, states) == [[state] for state in states]
    assert len(digests) == len(calls)
