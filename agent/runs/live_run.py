"""The runs that this process executes: a task for each, readers that come and go, and its last events."""

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Final, Protocol

from langsmith import tracing_context

from agent.conversations.owned_thread import NOT_KEPT, OwnedThread, RunKey
from agent.errors.error_codes import AgentCode
from agent.operations.metrics.run_measures import RunMeasure, RunMeasures
from agent.runs.run import (
    EVENTS_PER_TURN,
    Cancelled,
    Finished,
    Outcome,
    Paused,
    ReplayBuffer,
    Run,
    RunEvent,
    RunReader,
)
from identity.errors import AgentError, InternalError, RunTimeoutError, UnavailableError
from identity.observation.failure import place_of
from identity.observation.request_context import carried_context

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_CLOSE_SECONDS: Final = 10.0
"""How long storing the end of a run may take."""
KEPT_SECONDS: Final = 60.0
"""How long the events of an ended run can be read: a reader that lost its connection returns for the end."""
_MOST_KEPT: Final = 200
_MOST_CHARACTERS: Final = 20_000_000
"""Characters of the events and the ends of all ended runs."""


class Work(Protocol):
    """The work of a live run."""

    async def run(self, live: "LiveRun") -> Finished | Paused:
        """Calls `live.begin` once the run is certain, then `live.emit` for each event; returns the end."""

    async def close(self, outcome: Outcome) -> Outcome:
        """Stores how the run ended, whatever happened, before readers receive the end. Called again if it
        raises. Returns `outcome`, or how another process has ended the run before.
        """


class UnreadEvents(ReplayBuffer):
    """The events that the only reader of a run has not read. Without limits: the run waits for its reader."""

    def __init__(self) -> None:
        super().__init__()
        self._writer: asyncio.Future[None] | None = None

    def add(self, event: RunEvent) -> None:
        """Appends `event`."""
        self._events.append(event)
        self.newest += 1

    def take(self, position: int) -> RunEvent:
        """The oldest event, which is dropped."""
        event = self._events.popleft()
        self.oldest = position + 1
        if self._writer is not None and len(self._events) < EVENTS_PER_TURN:
            writer = self._writer
            self._writer = None
            if not writer.done():
                writer.set_result(None)
        return event

    async def room(self) -> None:
        """Waits while many events wait for the reader."""
        while len(self._events) >= EVENTS_PER_TURN:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer


class LiveRun(Run):
    """A run in a task of its own, so that it is cancelled once and closes its upstream connections in order:
    an ASGI server may cancel the reader of its events several times when a client disconnects.

    The context of the task contains only what names the request, and no callbacks, so that the libraries of a
    surface, such as LangServe's event recorder, cannot observe a run. LangSmith traces it only if the setting
    enables that (`agent.operations.traces.langsmith`). Readers receive `Finished` or `Paused` after it is
    stored.
    """

    def __init__(
        self,
        work: Work,
        *,
        key: RunKey = NOT_KEPT,
        seconds: float,
        lease: Callable[[asyncio.Task[None]], Awaitable[None]] | None = None,
        one_reader: bool = False,
        traced: bool = False,
        measures: RunMeasures | None = None,
        on_begin: Callable[["LiveRun"], None] | None = None,
        on_change: Callable[["LiveRun"], None] | None = None,
        events: ReplayBuffer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts the run. `seconds` is the time limit; `lease` leases a place for the task before it works.
        `on_begin` is called when the work begins, and `on_change` for each event and at the end.

        With `one_reader`, an event that was read is dropped, and `room` waits for the reader. Other readers
        do not delay a run.
        """
        self._unread: Final = UnreadEvents() if one_reader else None
        replay = events if self._unread is None else self._unread
        super().__init__(secrets.token_hex(4), key, replay=replay)
        self.created_at: Final = clock()
        """Before it began, in unix seconds of this machine."""
        self._unstored: Callable[[], Awaitable[Outcome]] | None = None
        self._seconds = seconds
        self._lease = lease
        self._traced = traced
        self._measures = measures or RunMeasures()
        self._measure: RunMeasure | None = None
        self._on_begin = on_begin
        self._on_change = on_change
        self._decided = asyncio.Event()
        self._has_begun = False
        self._ended_by: AgentError | None = None
        self._may_cancel = True
        loop = asyncio.get_running_loop()
        # The task has the work, with the messages of the model, and lets go of it when it ends.
        self.task: Final = loop.create_task(self._run(work), name="run", context=carried_context())
        self.task.add_done_callback(self._task_ended)

    @property
    def characters(self) -> int:
        """Characters of the kept events, and of the text of the end."""
        end = self.outcome
        if not isinstance(end, Finished):
            return self.replay.characters
        return self.replay.characters + len(end.text) + len(end.reasoning)

    async def begun(self) -> None:
        """Waits until the run has begun. Raises the error that prevented it."""
        await self._decided.wait()
        if self._has_begun:
            return
        if isinstance(self.outcome, AgentError):
            raise self.outcome.again()
        raise UnavailableError(AgentCode.SHUTTING_DOWN, "the run was cancelled before it began")

    def cancel(self) -> None:
        """Cancels the work with its model and tool calls. Does not wait; further calls do nothing."""
        if self._may_cancel:
            self._may_cancel = False
            self.task.cancel()

    def end(self, error: AgentError) -> None:
        """Cancels the work; readers receive the events so far, and then `error`."""
        if self._may_cancel:
            self._ended_by = error
            self.cancel()

    def begin(self, announced: Iterable[str] = ()) -> None:
        """For `Work`: the run exists."""
        self.announced = frozenset(announced)
        self._has_begun = True
        if self._on_begin is not None:
            self._on_begin(self)
        self._decided.set()

    def emit(self, event: RunEvent) -> None:
        """For `Work`: sends an event to all readers. After the end it is dropped."""
        if self.outcome is not None:
            return
        self.replay.add(event)
        if self._measure is not None:
            self._measure.record(event)
        if self._on_change is not None:
            self._on_change(self)
        if self._waiting:
            self.wake()

    async def room(self) -> None:
        """For `Work`: waits while many events wait for the only reader."""
        if self._unread is not None:
            await self._unread.room()

    def left(self, reader: RunReader) -> None:
        if not reader.keep:
            self.cancel()

    async def _run(self, work: Work) -> None:
        with self._measures.run(self.thread_id or None) as measure:
            self._measure = measure
            outcome = await self._outcome(work)
            match outcome:
                case AgentError():
                    measure.failed(outcome)
                case Cancelled():
                    measure.failed(asyncio.CancelledError())
                case _:
                    measure.record(outcome)
        self._may_cancel = False
        self._measure = None
        try:
            async with asyncio.timeout(_CLOSE_SECONDS) as limit:
                outcome = await work.close(outcome)
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is passed on
            failure = run_error(error, limit, _CLOSE_SECONDS)
            self._unstored = partial(work.close, outcome)
            _LOG.error("the end of a run could not be stored: %s: %s", failure.code, failure.detail)
            outcome = outcome if isinstance(outcome, AgentError) else failure
        self.conclude(outcome)

    @property
    def is_unstored(self) -> bool:
        """Whether it has ended, and the end is not stored: the thread still shows it as running."""
        return self._unstored is not None

    async def store_end(self) -> bool:
        """Stores the end that could not be stored. False if the store is still away; raises what prevents it
        for good.
        """
        if self._unstored is None:
            return True
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._unstored()
        except (UnavailableError, TimeoutError):
            return False
        self.give_up_end()
        return True

    def give_up_end(self) -> None:
        """The end is stored, or never will be."""
        self._unstored = None

    async def _outcome(self, work: Work) -> Outcome:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                if self._lease is not None:
                    await self._lease(self.task)
                with tracing_context(enabled=self._traced):
                    return await work.run(self)
        except asyncio.CancelledError:
            return self._ended_by or Cancelled()
        except Exception as error:  # noqa: BLE001 - see above
            return run_error(error, limit, self._seconds)

    def _task_ended(self, _: asyncio.Task[None]) -> None:
        """Ends the readers however the task ended, also if it never began."""
        if self.outcome is None:
            self.conclude(self._ended_by or Cancelled())
        self._decided.set()
        if self._on_change is not None:
            self._on_change(self)
        self.wake()


def run_error(error: Exception, limit: asyncio.Timeout, seconds: float) -> AgentError:
    """The error of a run that raised `error` within `limit`, which is `seconds` long, without a traceback."""
    if isinstance(error, AgentError):
        return error.again()
    if limit.expired():
        return RunTimeoutError(AgentCode.RUN_TIMED_OUT, f"the run took more than {seconds:g} seconds")
    return unexpected_error(error)


def unexpected_error(error: Exception) -> InternalError:
    """The error for one that no code expected, by its type and place alone: its text may contain a secret."""
    text = f"the run raised {type(error).__name__} at {place_of(error)}"
    return InternalError(AgentCode.INTERNAL_ERROR, text)


class LiveRuns:
    """The latest run of each thread that this process executes, or executed a moment ago."""

    def __init__(
        self, *, kept_seconds: float = KEPT_SECONDS, most_characters: int = _MOST_CHARACTERS
    ) -> None:
        """Above `most_characters` of all events and ends, the runs that ended first are dropped; those whose
        end is not stored last.
        """
        self._kept_seconds = kept_seconds
        self._most_characters = most_characters
        self._latest: dict[OwnedThread, LiveRun] = {}
        self._ended: OrderedDict[LiveRun, asyncio.TimerHandle] = OrderedDict()
        self._unbegun: set[str] = set()

    def begins(self, run_id: str) -> None:
        """A run begins, perhaps once more: a paused one keeps its id when it goes on."""
        self._unbegun.discard(run_id)

    def note_unbegun(self, run_id: str) -> None:
        """The beginning of a run failed, and may have been stored: the database may commit it late."""
        self._unbegun.add(run_id)
        asyncio.get_running_loop().call_later(self._kept_seconds, self._unbegun.discard, run_id)

    def add(self, run: LiveRun) -> None:
        """A run that has begun."""
        self._latest[run.key.thread] = run
        run.task.add_done_callback(lambda _: self._run_ended(run))

    def latest(self, thread: OwnedThread) -> LiveRun | None:
        """The run of the thread, or the one that ended less than a minute ago."""
        return self._latest.get(thread)

    def running(self, thread: OwnedThread) -> LiveRun | None:
        """The run of the thread that has not ended yet."""
        run = self.latest(thread)
        return run if run is not None and run.outcome is None else None

    def ids(self) -> set[str]:
        """The ids of the runs that have not ended yet."""
        return {run.id for run in self._latest.values() if run.outcome is None}

    def unstored(self) -> list[LiveRun]:
        """The runs that have ended without storing it."""
        return [run for run in self._latest.values() if run.is_unstored and run.outcome is not None]

    def unbegun(self) -> set[str]:
        """The ids of the runs that failed to begin here less than a minute ago: no process executes them."""
        return set(self._unbegun)

    def with_ids(self, ids: Collection[str]) -> list[LiveRun]:
        """The runs with these ids."""
        return [run for run in self._latest.values() if run.id in ids]

    def of_owner(self, digest: str) -> list[LiveRun]:
        """The runs of all threads of the owner with this digest, and those that ended a moment ago."""
        return [run for run in self._latest.values() if run.owner == digest]

    def forget(self, thread: OwnedThread) -> None:
        """The events of an ended run, because its thread was deleted."""
        run = self.latest(thread)
        if run is not None and run.outcome is not None:
            self._remove(run)

    def _run_ended(self, run: LiveRun) -> None:
        loop = asyncio.get_running_loop()
        self._ended[run] = loop.call_later(self._kept_seconds, self._expire, run)
        characters = sum(run.characters for run in self._ended)
        while len(self._ended) > _MOST_KEPT or (self._ended and characters > self._most_characters):
            dropped = self._dispensable()
            characters -= dropped.characters
            self._remove(dropped)

    def _dispensable(self) -> LiveRun:
        """The run that ended first, of those whose end is stored if there are any."""
        stored = (run for run in self._ended if not run.is_unstored)
        return next(stored, next(iter(self._ended)))

    def _expire(self, run: LiveRun) -> None:
        if run.is_unstored and self.latest(run.key.thread) is run:
            loop = asyncio.get_running_loop()
            self._ended[run] = loop.call_later(self._kept_seconds, self._expire, run)
        else:
            self._remove(run)

    def _remove(self, run: LiveRun) -> None:
        if timer := self._ended.pop(run, None):
            timer.cancel()
        if self._latest.get(run.key.thread) is run:
            del self._latest[run.key.thread]
