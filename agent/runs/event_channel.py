"""The events of a run on their way to its one reader.

A queue of the event loop or of a library passes each event on in a turn of its own; of a streamed response
that would be the largest part of the cost. This one gives its reader all that has arrived.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.runs.run_reader import RunEvent

_EVENTS_PER_TURN: Final = 64
"""After so many events, other tasks run."""


class EventChannel:
    """Neither end waits for the other when it adds or closes; `room` lets a run wait for its reader."""

    def __init__(self) -> None:
        self._events: deque[RunEvent] = deque()
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._in_turn = 0
        self.observed: Callable[[RunEvent], None] = lambda _: None
        """Is called with each event that is added."""

    def put(self, event: RunEvent) -> None:
        """Adds an event. After `close` it is dropped."""
        if not self._closed:
            self.observed(event)
            self._events.append(event)
            _wake(self._reader)

    def close(self) -> None:
        """No event follows; those before can still be read. May be called twice."""
        self._closed = True
        _wake(self._reader)

    async def get(self) -> RunEvent | None:
        """The next event; `None` after the last one. Only one task may wait for it."""
        while not self._events:
            if self._closed:
                return None
            self._in_turn = 0
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        self._in_turn += 1
        if self._in_turn % _EVENTS_PER_TURN == 0:
            await asyncio.sleep(0)
        event = self._events.popleft()
        if len(self._events) < _EVENTS_PER_TURN:
            _wake(self._writer)
        return event

    async def room(self) -> None:
        """Waits while many events wait for the reader."""
        while len(self._events) >= _EVENTS_PER_TURN and not self._closed:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
