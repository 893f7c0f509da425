"""The number of approvals that wait is counted now and then, and unknown while it cannot be."""

import asyncio

from agent.errors.error_codes import AgentCode
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.approvals_waiting import approvals_waiting
from agent.operations.metrics.catalog import read_metrics
from identity.errors import UnavailableError


async def test_last_count_is_shown_and_none_after_a_failure() -> None:
    measures, shown, done = AgentMeasures(), list[object](), asyncio.Event()
    counts = iter([3, UnavailableError(AgentCode.OVERLOADED, "away"), ValueError("fault"), 4])

    async def count() -> int:
        found = next(counts)
        if isinstance(found, Exception):
            raise found
        return found

    async def sleep(_: float) -> None:
        shown.append(read_metrics(measures)["idaas_agent.approvals.waiting"].get(()))
        if len(shown) == 4:
            done.set()
            await asyncio.Event().wait()

    measures.count_approvals = count
    async with approvals_waiting(measures, sleep=sleep):
        await done.wait()
    assert shown == [3, None, None, 4]


async def test_without_stored_approvals_there_is_no_number() -> None:
    measures = AgentMeasures()
    async with approvals_waiting(measures):
        assert read_metrics(measures)["idaas_agent.approvals.waiting"] == {}
