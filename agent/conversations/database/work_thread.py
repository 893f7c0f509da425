"""A thread that does work for an event loop, in order, and reports all that waited in one wake-up."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias, TypeVar

T = TypeVar("T")

_Result: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]

_MOST_AT_ONCE: Final = 32
"""Pieces of work between two reports: the first one's caller waits for the last one."""


class WorkThread:
    """Waking a thread and an event loop costs as much as a small transaction, so it is done for many."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._working = False

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises. It is done also if the caller is cancelled meanwhile."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((future, work))
        if not self._working:
            self._working = True
            self._executor.submit(self._work)
        result: T = await future
        return result

    def close(self) -> None:
        """Ends the thread when its work is done. Does not wait."""
        self._executor.shutdown(wait=False)

    def _work(self) -> None:
        """In the thread. Only the event loop adds work and decides whether the thread goes on."""
        results: list[_Result] = []
        while self._waiting and len(results) < _MOST_AT_ONCE:
            future, work = self._waiting.popleft()
            try:
                results.append((future, work(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller
                results.append((future, None, error))
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            results[0][0].get_loop().call_soon_threadsafe(self._report, results)

    def _report(self, results: list[_Result]) -> None:
        """In the event loop."""
        if self._waiting:
            self._executor.submit(self._work)
        else:
            self._working = False
        for future, result, error in results:
            if future.done():  # the caller was cancelled
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
