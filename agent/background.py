"""Tasks of the agent's own, and a part of the agent with one.

Imports no other file of the agent.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.conversations")


async def end_tasks(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels the tasks that there are, and waits until they have ended."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    if begun:
        await asyncio.wait(begun)


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs each of `work` in a task while the block runs. They have ended when it ends."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        yield
    finally:
        await end_tasks(*tasks)


@dataclass(slots=True)
class Background(ABC):
    """A part whose task begins with `start` and ends with `aclose`."""

    _: KW_ONLY
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _task: asyncio.Task[None] | None = field(init=False, default=None)

    def start(self) -> None:
        """Starts the task, unless it is running. Needs a running event loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name=type(self).__name__)

    async def aclose(self) -> None:
        """Ends the task."""
        await end_tasks(self._task)

    async def _attempt(self, work: Awaitable[object], failure: str) -> bool:
        """Whether `work` succeeds. Its error is logged after the text `failure`, and the task goes on."""
        try:
            await work
        except AgentError as error:
            _LOG.warning("%s: %s", failure, error.detail)
        except Exception as error:  # noqa: BLE001 - else the task would end unnoticed
            _LOG.warning("%s (%s)", failure, type(error).__name__)
        else:
            return True
        return False

    @abstractmethod
    async def _work(self) -> None:
        """The work of the task."""
