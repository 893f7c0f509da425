"""Rounds aim at the steps that a disturbance has struck least, until it has struck each."""

from dataclasses import replace

from cluster.chaos.chaos_run import Coverage
from cluster.chaos.stage import Disturbance
from cluster.person import Step
from tests.cluster.chaos.chaos_rounds import APPROVER, ROUND, RUN

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
