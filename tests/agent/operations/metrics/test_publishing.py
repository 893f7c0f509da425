"""What costs more than a count is measured now and then: approvals that wait, and the event loop's lag."""

import asyncio

import pytest

from agent.errors.error_codes import AgentCode
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.publishing import measure_lag
from identity.errors import UnavailableError
from identity.observation.metrics import Histogram


async def test_last_count_of_approvals_is_shown_and_none_after_a_failure() -> None:
    measures, shown = AgentMeasures(), list[object]()
    counts = iter([3, UnavailableError(AgentCode.OVERLOADED, "away"), ValueError("fault"), 4])

    async def count() -> int:
        found = next(counts)
        if isinstance(found, Exception):
            raise found
        return found

    async def sleep(_: float) -> None:
        (waiting,) = (values for metric, values in measures.metrics.read().items() if metric.shared)
        shown.append(waiting.get(()))
        if len(shown) == 4:
            raise asyncio.CancelledError

    await measures.approvals.keep_counting(sleep=sleep)
    assert shown == [], "nothing is counted where no approvals are stored"
    measures.approvals.count = count
    with pytest.raises(asyncio.CancelledError):
        await measures.approvals.keep_counting(sleep=sleep)
    assert shown == [3, None, None, 4]


async def test_lag_is_the_lateness_of_each_timer() -> None:
    lag, late, time = Histogram((0.1, 1.0)), iter((0.0, 0.5, -0.001, 9.0)), 0.0

    async def sleep(seconds: float) -> None:
        nonlocal time
        if (lateness := next(late, None)) is None:
            raise asyncio.CancelledError
        time += seconds + lateness

    with pytest.raises(asyncio.CancelledError):
        await measure_lag(lag, sleep=sleep, clock=lambda: time)
    *counts, total = lag.values[()]
    assert counts == [2, 1, 1]
    assert abs(total - 9.5) < 0.001
