"""What violates the invariants of a round, and what leaks."""

from dataclasses import replace

import psycopg

from cluster.chaos.invariants import dumped, found_leaks, violations
from tests.cluster.chaos.chaos_rounds import APPROVER, ROUND, RUN
from tests.conftest import Sandbox
from tests.databases.postgres_process import PostgresProcess


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


def test_text_that_is_stored_as_bytes_is_found_in_the_dump(postgres: PostgresProcess) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (body BYTEA, title TEXT)")
        connection.execute("INSERT INTO kept VALUES (%s, %s)", (b"a secret in bytes", "a secret in text"))
        dump = dumped(postgres)
        connection.execute("DROP TABLE kept")
    assert "a secret in bytes" in dump
    assert "a secret in text" in dump


def test_token_and_secret_are_found_in_the_place_that_contains_them(sandbox: Sandbox) -> None:
    token = sandbox.access_token("alice")
    places = [("a log", f"Bearer {token}"), ("a table", "sealed under seal-key; And now?"), ("Redis", "")]
    found = found_leaks(sandbox.running, [token], {"the key": "seal-key"}, places, "And now?")
    assert found == [
        "a log contains the user's token 0",
        "a log contains a token",
        "a table contains the key",
    ]


def test_search_of_other_texts_than_what_people_have_sent_is_noticed(sandbox: Sandbox) -> None:
    (found,) = found_leaks(sandbox.running, [], {}, [("a log", "started")], "And now?")
    assert "nothing was searched" in found


def test_any_token_of_many_is_found(sandbox: Sandbox) -> None:
    tokens = [sandbox.access_token("alice", jti=str(number)) for number in range(81)]
    for token in (tokens[0], tokens[40], tokens[80]):
        assert found_leaks(sandbox.running, tokens, {}, [("a log", f"And now? {token}")], "And now?")
