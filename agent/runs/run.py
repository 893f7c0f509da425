"""One run of the graph for one caller, the same for every surface.

The graph runs in its own task. An ASGI server may cancel the reader of its events several times when a client
disconnects; the run is cancelled once and closes its upstream connections in order. The context of the task
contains only what names the request, and no callbacks, so that the libraries of a surface, such as
LangServe's event recorder, cannot observe a run. LangSmith traces it only if the setting enables that
(`agent.operations.traces.langsmith`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final, Self

from langsmith import tracing_context

from agent.operations.metrics.run_measures import RunMeasures
from agent.runs.event_channel import EventChannel
from agent.runs.run_end import Finished, run_error
from agent.runs.run_reader import RunEvent, opening
from identity.errors import AgentError
from identity.observation.request_context import carried_context


class Run:
    """Iterate it for its events; `Finished` is the last. An error is raised in place of the next event.

    The events are those of `events` and those that nodes put into `channel`. Between the steps of the graph
    the run waits for a reader that lags behind.
    Raises `AgentError`; for a fault of the agent `InternalError` with its type and place.
    """

    def __init__(
        self,
        events: AsyncGenerator[RunEvent],
        seconds: float,
        *,
        channel: EventChannel | None = None,
        traced: bool = False,
        measures: RunMeasures | None = None,
    ) -> None:
        self._events = events
        self._seconds = seconds
        self._traced = traced
        self._measures = measures or RunMeasures()
        self._channel = channel or EventChannel()
        self._error: Exception | None = None
        self._ahead: deque[RunEvent] = deque()
        self._cancelled = False
        context = carried_context().new_context()
        loop = asyncio.get_running_loop()
        self.task: Final = loop.create_task(self._work(), name="run", context=context)
        # Ends the reader however the task ends, also if it never began.
        self.task.add_done_callback(lambda _: self._channel.close())

    async def first(self) -> None:
        """See `RunReader`."""
        if not self._ahead:
            self._ahead.extend(await opening(self))

    async def finished(self) -> Finished:
        """Reads all events, and returns the end."""
        end = Finished()
        async for event in self:
            if isinstance(event, Finished):
                end = event
        return end

    def cancel(self) -> None:
        """Cancels the run with its model and tool calls. Does not wait; further calls do nothing."""
        if not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    def end(self, error: AgentError) -> None:
        """Cancels the run; its reader receives the events so far, and then `error`."""
        if not self._cancelled and not self.task.done():
            self._error = error
            self.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        if self._ahead:
            return self._ahead.popleft()
        event = await self._channel.get()
        if event is None:
            error, self._error = self._error, None
            try:
                raise error or StopAsyncIteration
            finally:
                del error  # else it and this frame keep each other, and the run
        return event

    async def _work(self) -> None:
        # A cancelled task keeps the error, and the error the frames of the run.
        with suppress(asyncio.CancelledError), self._measures.run() as measure:
            self._channel.observed = measure.saw
            await self._run()
            if self._error is not None:
                measure.failed(self._error)

    async def _run(self) -> None:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                with tracing_context(enabled=self._traced):
                    # Closed here and not by the garbage collector: it may be cancelled while its reader lags.
                    async with aclosing(self._events) as events:
                        async for event in events:
                            self._channel.put(event)
                            await self._channel.room()
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is passed on
            self._error = run_error(error, limit, self._seconds)
