"""Counts the approvals that wait for a person, now and then, where they are stored."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from identity.errors import AgentError

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures

_LOG: Final = logging.getLogger("idaas_agent.telemetry")
_SECONDS: Final = 15.0


@asynccontextmanager
async def approvals_waiting(
    measures: "AgentMeasures",
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Updates `measures.approvals_waiting` by `measures.count_approvals` while the block runs.

    While they cannot be counted there is no number, because an old one would hide that.
    """
    count = measures.count_approvals
    if count is None:
        yield
        return

    async def update() -> None:
        while True:
            try:
                measures.approvals_waiting = await count()
            except AgentError:
                measures.approvals_waiting = None
            except Exception as error:  # noqa: BLE001 - the task must outlive it
                measures.approvals_waiting = None
                _LOG.error("approvals could not be counted: %s", type(error).__name__)
            await sleep(_SECONDS)

    task = asyncio.create_task(update(), name="approvals that wait")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
