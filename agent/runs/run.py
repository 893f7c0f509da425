"""One run of the graph for one caller, the same for every surface.

The graph runs in its own task. An ASGI server may cancel the reader of its events several times when a client
disconnects; the run is cancelled once and closes its upstream connections in order. The context of the task
contains only what names the request, and no callbacks, so that the libraries of a surface, such as
LangServe's event recorder, cannot observe a run. LangSmith traces it only if the setting enables that
(`agent.telemetry.traces.langsmith`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol, Self, TypeAlias, cast

import anyio
from langchain_core.messages import AnyMessage
from langgraph.graph.state import CompiledStateGraph
from langsmith import tracing_context

from agent.replicas.run_places import RunPlaces
from agent.runs.run_end import Finished, ModelMessages, Paused, run_error
from agent.runs.run_limit import RunLimit
from agent.telemetry.metrics.measures.run_measures import RunMeasure, RunMeasures
from graph.context import AgentContext
from graph.events import AgentEvent
from graph.node_error import MODEL
from graph.state import AgentInput, AgentOutput, AgentState
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from identity.principal import Principal
from identity.tracing.carried_context import carried_context

_BUFFERED_EVENTS: Final = 64
"""How many events a reader may lag behind before the run waits for it."""


AgentGraph: TypeAlias = CompiledStateGraph[AgentState, AgentContext, AgentInput, AgentOutput]
RunEvent: TypeAlias = AgentEvent | Finished | Paused
"""The graph's own events, and the end of the run."""


class RunReader(Protocol):
    """A reader of one run, as the surfaces use it. Iterate it for the events.

    `Finished` or `Paused` is the last; an error is raised in place of the next event. A run that was
    cancelled has neither.
    """

    async def first(self) -> None:
        """Waits for the first event that shows something; it and those before it can still be read. Raises
        an error that comes before it.
        """
        ...

    def cancel(self) -> None:
        """The reader leaves. Does not wait; further calls do nothing."""
        ...

    def __aiter__(self) -> AsyncIterator[RunEvent]: ...


def is_step(event: RunEvent) -> bool:
    """A step alone shows nothing: a failure after it still has a status of its own."""
    return not isinstance(event, Finished | Paused) and event["type"] in ("step_started", "step_finished")


async def opening(events: AsyncIterator[RunEvent]) -> list[RunEvent]:
    """The events up to the first one that shows something, or to the end. Raises an error before it."""
    read: list[RunEvent] = []
    async for event in events:
        read.append(event)
        if not is_step(event):
            break
    return read


async def end_of(run: RunReader) -> Finished | Paused:
    """Reads all events of a run, and returns the end: an empty one, if the run was cancelled."""
    end: Finished | Paused = Finished()
    async for event in run:
        if isinstance(event, Finished | Paused):
            end = event
    return end


class TrackedRun(Protocol):
    """A run that `Runs` counts and may end."""

    @property
    def task(self) -> asyncio.Task[None]:
        """The task of the run, which ends with it."""
        ...

    def cancel(self) -> None:
        """Cancels the run. Does not wait; further calls do nothing."""
        ...

    def end(self, error: AgentError) -> None:
        """Cancels the run; its readers receive the events so far, and then `error`."""
        ...


class Run:
    """Iterate it for its events; `Finished` is the last. An error is raised in place of the next event.

    Raises `AgentError`; for a fault of the agent `InternalError` with its type and place.
    """

    def __init__(
        self,
        events: AsyncGenerator[RunEvent],
        seconds: float,
        *,
        traced: bool = False,
        measures: RunMeasures | None = None,
    ) -> None:
        self._events = events
        self._seconds = seconds
        self._traced = traced
        self._measures = measures or RunMeasures()
        self._send, self._receive = anyio.create_memory_object_stream[RunEvent](_BUFFERED_EVENTS)
        self._error: Exception | None = None
        self._ahead: deque[RunEvent] = deque()
        self._cancelled = False
        context = carried_context().new_context()
        loop = asyncio.get_running_loop()
        self.task: Final = loop.create_task(self._work(), name="run", context=context)
        # Ends the reader however the task ends, also if it never began.
        self.task.add_done_callback(lambda _: self._send.close())

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
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            self._receive.close()
            if self._error is not None:
                raise self._error from None
            raise StopAsyncIteration from None
        except anyio.ClosedResourceError:
            raise StopAsyncIteration from None

    async def _work(self) -> None:
        with self._measures.run() as measure:
            await self._run(measure)
            if self._error is not None:
                measure.failed(self._error)

    async def _run(self, measure: RunMeasure) -> None:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                with tracing_context(enabled=self._traced):
                    # Closed here and not by the garbage collector: it may be cancelled while its reader lags.
                    async with aclosing(self._events) as events:
                        async for event in events:
                            measure.saw(event)
                            await self._send.send(event)
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is passed on
            self._error = run_error(error, limit, self._seconds)


class Runs:
    """Starts runs of one graph, and keeps them until they end."""

    def __init__(
        self,
        graph: AgentGraph,
        *,
        timeout: float,
        limit: RunLimit | None = None,
        places: RunPlaces | None = None,
        traced: bool = False,
        measures: RunMeasures | None = None,
    ) -> None:
        """`places` limits a caller's runs over all processes. `traced` sends the runs to LangSmith.
        `measures` counts them.
        """
        self._graph = graph
        self._traced = traced
        self._timeout = timeout
        self._limit = limit or RunLimit()
        self._places = places
        self._measures = measures
        self._running: dict[TrackedRun, VerifiedAccessToken] = {}
        self._ended_by: Callable[[], AgentError] | None = None

    def check(self, caller: Principal) -> None:
        """Raises what `start` would raise now, so that a request can be refused before its body is read."""
        if self._ended_by is not None:
            raise self._ended_by()
        self._limit.check(caller)

    def start(
        self,
        messages: Sequence[AnyMessage],
        caller: VerifiedAccessToken,
        *,
        streaming: bool,
        steps: bool = False,
    ) -> Run:
        """`streaming` requests the model's response as a stream, `steps` the events of nodes and messages.

        A run that takes longer than the limit raises `RunTimeoutError`; one for which no place is left over
        all processes raises `LimitError` in place of its first event.

        Raises `LimitError` or `UnavailableError` if there are too many in this process.
        """
        self.check(caller.principal)
        context = AgentContext(access_token=caller.token, streaming=streaming, steps=steps)
        run = Run(
            self._events(messages, context, caller),
            self._timeout,
            traced=self._traced,
            measures=self._measures,
        )
        self.track(run, caller)
        return run

    def track(self, run: TrackedRun, caller: VerifiedAccessToken) -> None:
        """Counts `run`, which was created after `check`, until its task is done; `end` and others end it."""
        self._limit.count(caller.principal, run.task)
        self._running[run] = caller
        run.task.add_done_callback(lambda _: self._running.pop(run, None))

    def end(self, reason: Callable[[], AgentError]) -> None:
        """Ends all runs with the error `reason()`, which later calls of `start` raise. Does not wait."""
        self._ended_by = reason
        for run in list(self._running):
            run.end(reason())

    def end_of(self, callers: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AgentError]) -> int:
        """Ends the runs of callers of whom `callers` is true, as `end` does; how many. Others may start."""
        ended = [run for run, caller in self._running.items() if callers(caller)]
        for run in ended:
            run.end(reason())
        return len(ended)

    async def aclose(self) -> None:
        """Cancels all runs, and waits until they have ended."""
        running = list(self._running)
        for run in running:
            run.cancel()
        await asyncio.gather(*(run.task for run in running), return_exceptions=True)

    async def take_place(self, caller: Principal) -> None:
        """For the task of a run, before it works: takes one of the caller's places over all processes, until
        the task is done. Raises `LimitError` if there is none.
        """
        task = asyncio.current_task()
        if self._places is not None and task is not None:
            await self._places.take(caller, task)

    async def _events(
        self, messages: Sequence[AnyMessage], context: AgentContext, caller: VerifiedAccessToken
    ) -> AsyncGenerator[RunEvent]:
        await self.take_place(caller.principal)
        messages_of_model = ModelMessages()
        stream = self._graph.astream(
            {"messages": list(messages)},
            {"callbacks": []},
            context=context,
            stream_mode=["custom", "updates"],
        )
        async with aclosing(cast(AsyncGenerator[tuple[str, Any]], stream)) as parts:
            async for mode, part in parts:
                if mode == "custom":
                    yield cast(AgentEvent, part)
                else:
                    messages_of_model.add((part.get(MODEL) or {}).get("messages", ()))
        yield messages_of_model.finished()
