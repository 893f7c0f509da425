"""Publishes the metrics of a process while it serves, and measures what costs more than a count."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

from agent.background import running
from identity.observation.metrics import Histogram, Reading

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures

_LAG_SECONDS: Final = 0.25

Sleep = Callable[[float], Awaitable[object]]


class MetricsOutlet(Protocol):
    """Publishes the metrics of one process, from threads of its own: the event loop does not wait for it."""

    def start(self, read: Callable[[], Reading]) -> None:
        """Publishes what `read` returns, from now on. `read` may be called in any thread."""

    def stop(self) -> None:
        """Publishes the last values where that is its way, and ends within seconds."""


@asynccontextmanager
async def published(measures: "AgentMeasures", outlets: Sequence[MetricsOutlet]) -> AsyncIterator[None]:
    """Starts `outlets` for `measures`, and stops them, in threads, when the block ends.

    Without outlets nothing is measured that costs more than a count.
    """
    if not outlets:
        yield
        return
    try:
        async with running(measure_lag(measures.process.loop_lag), measures.approvals.keep_counting()):
            for outlet in outlets:
                outlet.start(measures.metrics.read)
            yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(outlet.stop) for outlet in outlets))


async def measure_lag(
    lag: Histogram,
    *,
    seconds: float = _LAG_SECONDS,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] | None = None,
) -> None:
    """Adds to `lag` every `seconds` by how much the event loop's timers are late, by the loop's own clock."""
    now = clock or asyncio.get_running_loop().time
    while True:
        began = now()
        await sleep(seconds)
        lag.observe(max(0.0, now() - began - seconds))
