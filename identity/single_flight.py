"""Concurrent requests for the same key share one fetch."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, Generic, TypeVar

from identity.error_copy import copy_error
from identity.errors import AgentError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Flights by key. A flight is a task of its own: a waiter that is cancelled leaves it to the others,
    and if it was the last one the flight still lands, so that its result can be kept.

    A flight starts in an empty context: it serves many callers, so it must not see the variables
    (tracing, a request's token) of the one that happened to be first.

    For one event loop; not thread-safe.
    """

    def __init__(self, closed: Callable[[], AgentError]) -> None:
        """`closed` makes the error that waiters get once `aclose` was called."""
        self._closed = closed
        self.is_closed = False
        self._flights: dict[Hashable, asyncio.Task[T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether a flight for `key` is under way."""
        return key in self._flights

    def start(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Joins the flight for `key`, or starts it. Needs a running event loop."""
        flight = self._flights.get(key)
        if flight is None:
            if self.is_closed:
                raise self._closed()
            flight = asyncio.get_running_loop().create_task(fetch(), context=Context())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._finish(key, done))
        return flight

    async def run(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the flight for `key`. Every waiter receives a copy of its error."""
        flight = self.start(key, fetch)
        await asyncio.wait([flight])  # does not cancel it, and adds no frame of this waiter to its error
        if flight.cancelled():
            raise self._closed()
        error = flight.exception()
        if isinstance(error, AgentError):
            raise copy_error(error)
        return flight.result()

    async def aclose(self) -> None:
        """Cancels the flights and waits until they are gone. Nothing can be started after it."""
        self.is_closed = True
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _finish(self, key: Hashable, flight: asyncio.Task[T]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # marks it as seen: a flight without waiters must not end in a log line
