"""Measures by how much the timers of the event loop are late."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from identity.observation.measures import Distribution

_SECONDS: Final = 0.25


@asynccontextmanager
async def event_loop_lag(
    lag: Distribution,
    *,
    seconds: float = _SECONDS,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[None]:
    """Adds to `lag` every `seconds` while the block runs, by the loop's own clock."""
    now = clock or asyncio.get_running_loop().time

    async def measure() -> None:
        while True:
            began = now()
            await sleep(seconds)
            lag.observe(max(0.0, now() - began - seconds))

    task = asyncio.create_task(measure(), name="event loop lag")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
