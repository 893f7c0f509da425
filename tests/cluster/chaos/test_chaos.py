"""Chaos: where rounds strike, what violates their invariants, and the tables of docs/faults.md."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cluster.chaos.chaos_round import AuditRecords
from cluster.chaos.chaos_run import ChaosRound, Coverage
from cluster.chaos.invariants import dumped, found_leaks, violations
from cluster.chaos.stage import Disturbance, at
from cluster.chaos.strike_table import PAGE, strike_table
from cluster.person import Step
from tests.cluster.chaos.chaos_rounds import APPROVER, ROUND, RUN
from tests.databases.postgres_process import PostgresProcess
from tests.suite import Sandbox

WORKER, REDIS = Disturbance.WORKER, Disturbance.REDIS
STEPS = (Step.CALLING, Step.WAITING)
COVERAGE = Coverage((WORKER, REDIS), STEPS, rounds=4, most=8, times=2)
STRUCK = replace(ROUND, disturbance=WORKER, runs=[RUN, RUN, APPROVER])
BY_REDIS = replace(STRUCK, disturbance=REDIS)


def test_step_that_was_struck_least_is_aimed_at() -> None:
    assert COVERAGE.aim([STRUCK, BY_REDIS, BY_REDIS], WORKER) is Step.WAITING
    assert replace(COVERAGE, steps=STEPS[::-1]).aim([STRUCK], WORKER) is Step.WAITING
    assert COVERAGE.aim([], WORKER) is Step.WAITING


def test_what_was_struck_too_seldom_is_missing() -> None:
    assert COVERAGE.missing([STRUCK, BY_REDIS, BY_REDIS]) == [(WORKER, Step.WAITING)]
    assert COVERAGE.missing([STRUCK, BY_REDIS, STRUCK, BY_REDIS]) == []


def test_run_of_a_process_that_was_not_killed_does_not_count() -> None:
    elsewhere = replace(STRUCK, runs=[replace(RUN, struck=False), RUN, APPROVER, APPROVER])
    assert COVERAGE.missing([elsewhere, BY_REDIS, BY_REDIS]) == [(WORKER, Step.CALLING)]


def test_strikes_take_turns_and_then_only_those_that_lack_a_step_go_on() -> None:
    assert [COVERAGE.next([STRUCK] * number) for number in range(4)] == [WORKER, REDIS, WORKER, REDIS]
    assert COVERAGE.next([STRUCK] * 4) is REDIS
    assert COVERAGE.next([STRUCK, BY_REDIS] * 2) is None


def test_rounds_end_when_there_were_the_most() -> None:
    assert COVERAGE.next([STRUCK] * 7) is REDIS
    assert COVERAGE.next([STRUCK] * 8) is None


def line(event: str, outcome: str, service: str | None = "amap") -> str:
    members = {"time": "…", "event": event, "outcome": outcome, "service": service}
    return json.dumps(members, separators=(",", ":")) + "\n"


def test_each_call_that_began_is_counted_once(tmp_path: Path) -> None:
    logs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    records = AuditRecords(logs)
    logs[0].write_text(line("tool_call", "started") + line("tool_call", "succeeded"))
    assert records.calls_begun() == {"amap": 1}
    with logs[0].open("a") as more:
        more.write(line("tool_call", "started", "leave") + line("model_call", "succeeded", None))
    logs[1].write_text(line("tool_call", "started"))
    assert records.calls_begun() == {"amap": 1, "leave": 1}
    assert records.calls_begun() == {}


def test_line_that_is_no_line_of_an_audit_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text(line("tool_call", "started"))
    assert any("no line of an audit log" in each for each in AuditRecords([log]).findings())


class Chat:
    def __init__(self, step: Step) -> None:
        self.step = step


async def test_moment_comes_when_two_chats_are_at_the_step() -> None:
    people: Any = [Chat(Step.CALLING), Chat(Step.THINKING), Chat(Step.THINKING)]
    moment = asyncio.create_task(at(Step.CALLING, 0)(people))
    await asyncio.sleep(0)
    assert not moment.done()
    people[1].step = Step.CALLING
    assert await moment == people[:2]


async def test_moment_comes_when_all_chats_have_ended() -> None:
    people: Any = [Chat(Step.ENDED), Chat(Step.ENDED)]
    assert await at(Step.CALLING, 0)(people) == []


STRIKES = (Disturbance.REPLICA, Disturbance.POSTGRES, Disturbance.REDIS, Disturbance.BOTH)


def cells(strike: Disturbance, *rounds: ChaosRound) -> list[str]:
    """Of the row of a disturbance."""
    [row] = [line for line in strike_table(rounds, STRIKES).splitlines() if line.startswith(f"| {strike} |")]
    return [cell.strip() for cell in row.split("|")[2:-1]]


def test_row_has_the_number_of_chats_and_the_slowest_answer_with_its_step() -> None:
    slower = replace(ROUND, runs=[replace(RUN, seconds=14.1)])
    by_redis = replace(ROUND, disturbance=Disturbance.REDIS, runs=[RUN])
    rounds = (ROUND, slower, by_redis)
    assert cells(Disturbance.REPLICA, *rounds) == ["3", "15 s", Step.CALLING]
    assert cells(Disturbance.REDIS, *rounds) == ["1", "4 s", Step.CALLING]
    assert cells(Disturbance.BOTH, *rounds) == ["0", "", ""]


def test_chat_that_was_over_at_the_strike_is_not_counted_and_one_without_an_answer_is_shown() -> None:
    over = replace(ROUND, runs=[replace(RUN, step=Step.ENDED, seconds=0.0)])
    assert cells(Disturbance.REPLICA, over) == ["0", "", ""]
    lost = replace(ROUND, runs=[replace(RUN, seconds=None), RUN])
    assert cells(Disturbance.REPLICA, lost) == ["2", "1 not answered", ""]


def test_what_was_not_struck_is_in_no_row() -> None:
    assert cells(Disturbance.REPLICA, replace(ROUND, disturbance=None)) == ["0", "", ""]
    elsewhere = replace(ROUND, runs=[replace(RUN, struck=False), RUN])
    assert cells(Disturbance.REPLICA, elsewhere) == ["1", "4 s", Step.CALLING]


def test_table_has_the_given_rows() -> None:
    head, _, row = strike_table([], (Disturbance.WORKER,)).splitlines()
    assert head.startswith("| what was done |")
    assert row.startswith("| worker killed |")


@pytest.mark.parametrize("part", ["replicas", "aegra"])
def test_marks_are_in_the_page(part: str) -> None:
    assert PAGE.having(part, "| new |", PAGE.text()) != PAGE.text()


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
