"""Tasks of the agent's own, and a part of the agent with one.

Imports no other file of the agent.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        await end_tasks(*tasks)


class Background(ABC):
    """A part whose task begins with `start` and ends with `aclose`."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task, unless it is running. Needs a running event loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name=type(self).__name__)

    async def aclose(self) -> None:
        """Ends the task."""
        await end_tasks(self._task)

    @abstractmethod
    async def _work(self) -> None:
        """The work of the task."""
