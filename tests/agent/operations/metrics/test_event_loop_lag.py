"""The lag of the event loop is the lateness of its timers."""

import asyncio

from agent.operations.metrics.event_loop_lag import event_loop_lag
from identity.observation.measures import Distribution


async def test_lateness_of_each_timer_is_measured() -> None:
    lag, done = Distribution((0.1, 1.0)), asyncio.Event()
    late = iter((0.0, 0.5, -0.001, 9.0))
    time = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal time
        try:
            time += seconds + next(late)
        except StopIteration:
            done.set()
            await asyncio.Event().wait()

    async with event_loop_lag(lag, sleep=sleep, clock=lambda: time):
        await done.wait()
    *counts, total = lag.series[()]
    assert counts == [2, 1, 1]
    assert abs(total - 9.5) < 0.001
