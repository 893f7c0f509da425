"""Concurrent requests for the same key share one fetch."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, Generic, TypeVar

from identity.errors import AgentError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The fetches that are in flight, by key.

    A fetch runs in its own task: cancelling a waiter does not cancel it, and it completes even without
    waiters, so that its result can be cached.

    A fetch starts in a context of its own, because it serves many callers: it must not see the context
    variables (tracing, a request's token) of the first one.

    For one event loop; not thread-safe.
    """

    def __init__(self, closed: Callable[[], Exception], context: Callable[[], Context] = Context) -> None:
        """`closed` creates the error that waiters receive after `aclose` was called; `context` the context of
        a fetch, empty by default.
        """
        self._closed = closed
        self._context = context
        self.is_closed = False
        self._flights: dict[Hashable, asyncio.Task[T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether a fetch for `key` is in flight."""
        return key in self._flights

    def start(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """The task that fetches `key`; starts one if there is none. Needs a running event loop."""
        flight = self._flights.get(key)
        if flight is None:
            if self.is_closed:
                raise self._closed()
            flight = asyncio.get_running_loop().create_task(fetch(), context=self._context())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._finish(key, done))
        return flight

    async def run(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the fetch for `key`. Each waiter receives a copy of its error."""
        flight = self.start(key, fetch)
        await asyncio.wait([flight])  # cancelling it does not cancel the task, and its error gets no frame
        if flight.cancelled():
            raise self._closed()
        error = flight.exception()
        if isinstance(error, AgentError):
            raise error.again()
        return flight.result()

    async def settled(self) -> None:
        """Waits until the fetches in progress have ended, and those that began meanwhile."""
        while self._flights:
            await asyncio.wait([*self._flights.values()])

    async def aclose(self) -> None:
        """Cancels all fetches and waits until they have ended. `start` and `run` raise the error after it."""
        self.is_closed = True
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _finish(self, key: Hashable, flight: asyncio.Task[T]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # marks it as retrieved: without waiters, asyncio would log it
