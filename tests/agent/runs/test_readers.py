"""Readers of runs that others started: how many a caller may have, and what remains of a refused one."""

import pytest

from agent.errors.error_codes import AgentCode
from agent.runs.conversation_runs import Readers
from agent.runs.relayed_runs import RelayedRun
from identity.errors import LimitError
from tests.agent.conversations.processes import caller

pytestmark = pytest.mark.promise("bounded")


async def test_reader_above_the_limit_is_closed_and_its_relayed_run_let_go() -> None:
    left: list[RelayedRun] = []
    run, other = (RelayedRun("owner", "thread-1", part, left.append) for part in ("run-1", "run-2"))
    readers = Readers(most=1)
    counted = run.events()
    readers.add(counted, caller("alice"))
    for refused in (run, other):
        reader = refused.events()
        with pytest.raises(LimitError) as caught:
            readers.add(reader, caller("alice"))
        assert caught.value.code is AgentCode.TOO_MANY_RUNS
        assert [each async for each in reader] == []
    assert left == [other]
    readers.add(other.events(), caller("bob"))
    counted.leave()
    counted.leave()
    assert left == [other, run]
    readers.add(run.events(), caller("alice"))
