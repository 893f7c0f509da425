"""Wakes the readers of responses one after another, one in each turn of the event loop.

In a turn an event loop runs all that is ready, and a new request needs several turns. If a model responds to
thousands of runs at the same moment and all are woken at once, each turn contains a step of every run.
"""

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary


class ReaderQueue:
    """Wakes readers in the order in which they became ready; the first at once.

    A reader that does not wait any more when its turn comes is skipped, and takes no turn.
    """

    def __init__(self) -> None:
        # No reference to the event loop, which is the key by which the queue is found.
        self._ready: deque[asyncio.Future[None]] = deque()
        self._in_turn = False

    def wake(self, reader: asyncio.Future[None]) -> bool:
        """Sets the result of `reader`, a future of the running loop: now, or later and returns false."""
        if self._in_turn:
            self._ready.append(reader)
            return False
        self._next(reader)
        return True

    def _next(self, reader: asyncio.Future[None]) -> None:
        if not reader.done():
            reader.set_result(None)
            self._in_turn = True
            reader.get_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._in_turn = False
        while self._ready and not self._in_turn:
            self._next(self._ready.popleft())


_QUEUES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, ReaderQueue]] = WeakKeyDictionary()


def reader_queue(loop: asyncio.AbstractEventLoop) -> ReaderQueue:
    """The queue of `loop`, which all its connections share."""
    return _QUEUES.setdefault(loop, ReaderQueue())
