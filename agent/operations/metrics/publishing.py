"""Publishes the metrics of a process while it serves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from agent.operations.metrics.approvals_waiting import approvals_waiting
from agent.operations.metrics.catalog import read_metrics
from agent.operations.metrics.event_loop_lag import event_loop_lag
from agent.operations.metrics.outlet import MetricsOutlet

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures


@asynccontextmanager
async def published(measures: "AgentMeasures", outlets: Sequence[MetricsOutlet]) -> AsyncIterator[None]:
    """Starts `outlets` for `measures`, and stops them, in threads, when the block ends.

    Without outlets nothing is measured that costs more than a count.
    """
    if not outlets:
        yield
        return
    try:
        for outlet in outlets:
            outlet.start(partial(read_metrics, measures))
        async with event_loop_lag(measures.loop_lag), approvals_waiting(measures):
            yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(outlet.stop) for outlet in outlets))
