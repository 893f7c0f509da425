"""The run of a thread while it works: one task, and any number of readers that come and go."""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, Protocol

from langsmith import tracing_context

from agent.errors.error_codes import AgentCode
from agent.operations.metrics.run_measures import RunMeasure, RunMeasures
from agent.runs.followed_run import Cancelled, FollowedRun, Outcome
from agent.runs.replay_buffer import ReplayBuffer
from agent.runs.run_end import Finished, Paused, run_error
from agent.runs.run_reader import RunEvent, opening
from identity.errors import AgentError, UnavailableError
from identity.observation.request_context import carried_context

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_CLOSE_SECONDS: Final = 10.0
"""How long storing the end of a run may take."""


class Work(Protocol):
    """What a live run does."""

    async def run(self, live: "LiveRun") -> Finished | Paused:
        """Calls `live.begin` once the run is certain, then `live.emit` for each event; returns the end."""
        ...

    async def close(self, outcome: Outcome) -> None:
        """Stores how the run ended. Called once, whatever happened, before readers receive the end."""
        ...


class LiveRun(FollowedRun):
    """A run in a task of its own. Readers do not delay it, and a reader that leaves does not cancel it.

    Readers receive `Finished` or `Paused` after it is stored. The context of the task is empty but for
    the facts of its request, for the reason that is given at `agent.runs.run`.
    """

    def __init__(
        self,
        work: Work,
        *,
        id: str,  # noqa: A002 - as everywhere in the API
        thread_id: str,
        owner: str,
        seconds: float,
        traced: bool = False,
        measures: RunMeasures | None = None,
        on_begin: Callable[["LiveRun"], None] = lambda _: None,
        on_change: Callable[["LiveRun"], None] = lambda _: None,
        events: ReplayBuffer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts it. `seconds` is the time limit of the work; `on_begin` is called when it begins, and
        `on_change` for each event and at the end.
        """
        super().__init__(id, secrets.token_hex(4), thread_id=thread_id, owner=owner, replay=events)
        self.created_at: Final = clock()
        """Before it began, in unix seconds of this machine."""
        self.unstored = False
        """It has ended, but the end could not be stored: the thread still shows it as running."""
        self._seconds = seconds
        self._traced = traced
        self._measures = measures or RunMeasures()
        self._measure: RunMeasure | None = None
        self._on_begin = on_begin
        self._on_change = on_change
        self._decided = asyncio.Event()
        self._has_begun = False
        self._ended_by: AgentError | None = None
        self._may_cancel = True
        context = carried_context().new_context()
        loop = asyncio.get_running_loop()
        # The task has the work, with the messages of the model, and lets go of it when it ends.
        self.task: Final = loop.create_task(self._run(work), name="run of a thread", context=context)
        self.task.add_done_callback(self._task_ended)

    @property
    def characters(self) -> int:
        """Of the events that are kept, and of the text of the end."""
        end = self.outcome
        return self.replay.characters + (
            len(end.text) + len(end.reasoning) if isinstance(end, Finished) else 0
        )

    async def begun(self) -> None:
        """Waits until the run has begun. Raises the error that prevented it."""
        await self._decided.wait()
        if self._has_begun:
            return
        if isinstance(self.outcome, AgentError):
            raise self.outcome.again()
        raise UnavailableError(AgentCode.SHUTTING_DOWN, "the run was cancelled before it began")

    def attach(self, *, keep: bool) -> "AttachedReader":
        """A reader of all events for a surface. When it leaves, the run is cancelled unless `keep`."""
        return AttachedReader(self, keep=keep)

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
        self._on_begin(self)
        self._decided.set()

    def emit(self, event: RunEvent) -> None:
        """For `Work`: sends an event to all readers."""
        self.replay.add(event)
        if self._measure is not None:
            self._measure.saw(event)
        self.wake()

    def wake(self) -> None:
        """See `FollowedRun`."""
        self._on_change(self)
        super().wake()

    async def _run(self, work: Work) -> None:
        with self._measures.run(self.thread_id) as measure:
            self._measure = measure
            outcome = await self._outcome(work)
            match outcome:
                case AgentError():
                    measure.failed(outcome)
                case Cancelled():
                    measure.cancelled()
                case _:
                    measure.saw(outcome)
        self._may_cancel, self._measure = False, None
        try:
            async with asyncio.timeout(_CLOSE_SECONDS) as limit:
                await work.close(outcome)
        except Exception as error:  # noqa: BLE001 - the text may contain a secret, so only the type is passed on
            failure = run_error(error, limit, _CLOSE_SECONDS)
            self.unstored = True
            _LOG.error("the end of a run could not be stored: %s: %s", failure.code, failure.detail)
            outcome = outcome if isinstance(outcome, AgentError) else failure
        if isinstance(outcome, Finished | Paused):
            self.replay.add(outcome)
        self.outcome = outcome

    async def _outcome(self, work: Work) -> Outcome:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                with tracing_context(enabled=self._traced):
                    return await work.run(self)
        except asyncio.CancelledError:
            return self._ended_by or Cancelled()
        except Exception as error:  # noqa: BLE001 - see above
            return run_error(error, limit, self._seconds)

    def _task_ended(self, _: asyncio.Task[None]) -> None:
        """Ends the readers however the task ended, also if it never began."""
        if self.outcome is None:
            self.outcome = self._ended_by or Cancelled()
        self._decided.set()
        self.wake()


class AttachedReader:
    """Reads all events of a live run, for the surfaces (`agent.runs.run_reader.RunReader`)."""

    def __init__(self, run: LiveRun, *, keep: bool) -> None:
        """When the reader leaves, the run is cancelled unless `keep`."""
        self._run = run
        self._keep = keep
        self._ahead: deque[RunEvent] = deque()
        self._events = run.events()

    async def first(self) -> None:
        """See `RunReader`."""
        if not self._ahead:
            self._ahead.extend(await opening(self))

    def cancel(self) -> None:
        """Leaves the run."""
        if not self._keep:
            self._run.cancel()

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self

    async def __anext__(self) -> RunEvent:
        if self._ahead:
            return self._ahead.popleft()
        _, event = await anext(self._events)
        return event
