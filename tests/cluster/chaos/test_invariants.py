"""A round in which something was lost, doubled, or not on record is a violation."""

from dataclasses import replace

from cluster.chaos.invariants import violations
from tests.cluster.chaos.chaos_rounds import APPROVER, ROUND, RUN


def test_round_in_which_everything_is_in_order_has_no_violation() -> None:
    assert violations(ROUND) == []


def test_fault_of_a_conversation_is_shown_with_all_that_its_person_saw() -> None:
    seen = ("1.0 s connection lost after 4 words", "9.0 s answered")
    (text,) = violations(replace(ROUND, runs=[replace(RUN, faults=["2 questions"], seen=seen), APPROVER]))
    for part in ("chen", "2 questions", *seen, RUN.asked, RUN.step):
        assert part in text


def test_chat_without_an_answer_is_a_violation() -> None:
    (text,) = violations(replace(ROUND, runs=[replace(RUN, seconds=None), APPROVER]))
    assert "not answered in time" in text


def test_service_may_be_called_once_for_each_approval_and_not_more_often() -> None:
    twice = replace(ROUND, applications=2)
    assert "2 applications for leave, 1 approvals" in violations(twice)[0]
    assert violations(replace(twice, runs=[RUN, replace(APPROVER, approvals=2)])) == []


def test_call_that_reached_a_service_without_a_record_is_a_violation() -> None:
    assert violations(replace(ROUND, requests={"amap": 3})) == ["amap: 3 calls, 2 of them in the audit logs"]
    assert violations(replace(ROUND, requests={"enterprise": 1})) == [
        "enterprise: 1 calls, 0 of them in the audit logs"
    ]


def test_findings_of_audit_logs_are_violations() -> None:
    assert violations(replace(ROUND, findings=["line 7: changed"])) == ["line 7: changed"]


def test_undisturbed_round_without_an_approval_is_a_violation() -> None:
    """As if the people who ask for leave had no permission for it."""
    undisturbed = replace(ROUND, disturbance=None, runs=[RUN], applications=0)
    assert violations(undisturbed) == ["no person was asked for approval"]
    assert violations(replace(undisturbed, runs=[RUN, APPROVER])) == []
