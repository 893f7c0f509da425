"""Readers of runs that others started: how many a caller may have, and what remains of a refused one."""

import pytest

from agent.conversations.owned_thread import RunKey, stored_owner
from agent.errors.error_codes import AgentCode
from agent.runs.relayed_runs import RelayedRun
from agent.runs.run_limits import RunLimit
from identity.errors import LimitError
from tests.agent.conversations.processes import caller
from tests.agent.runs.test_run_limit import Graph, runs_of

pytestmark = pytest.mark.promise("bounded")


async def test_reader_above_the_limit_is_closed_and_its_relayed_run_let_go() -> None:
    left: list[RelayedRun] = []
    run, other = (
        RelayedRun(part, RunKey(stored_owner("owner").thread("thread-1"), "run"), left.append)
        for part in "12"
    )
    runs = runs_of(Graph())
    runs.readers = RunLimit(per_caller=1)
    counted = run.events()
    runs.admit(counted, caller("alice"))
    for refused in (run, other):
        reader = refused.events()
        with pytest.raises(LimitError) as caught:
            runs.admit(reader, caller("alice"))
        assert caught.value.code is AgentCode.TOO_MANY_RUNS
        assert [each async for each in reader] == []
    assert left == [other]
    runs.admit(other.events(), caller("bob"))
    counted.leave()
    counted.leave()
    assert left == [other, run]
    runs.admit(run.events(), caller("alice"))
