"""A part of the agent with a task of its own.

Imports no other file of the agent.
"""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """A part whose task begins with `start` and ends with `aclose`."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task, unless it is running. Needs a running event loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name=type(self).__name__)

    async def aclose(self) -> None:
        """Ends the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @abstractmethod
    async def _work(self) -> None:
        """The work of the task."""
